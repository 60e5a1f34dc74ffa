"""Regular expressions: RE2's syntax either way, and nothing that takes for ever without it."""

import re

import pytest

from shipway.policy.regex import compile_pattern, guarded


@pytest.mark.parametrize("make", [compile_pattern, guarded])
@pytest.mark.parametrize("text", ["(", r"(a)\1", "(?=a)", "(?<!a)b", "(?>a)", "a{2000}", "a++", "x" * 20_000])
def test_refused(make: object, text: str) -> None:
    if make is guarded and len(text) > 10_000:
        pytest.skip("length is checked before")
    with pytest.raises(ValueError, match="pattern"):
        make(text)


@pytest.mark.parametrize("text", ["(a+)+$", "(a|a)*b", "(a*)*", "((ab)?c+){3}"])
def test_nested_repetition_is_refused_without_re2(text: str) -> None:
    with pytest.raises(ValueError, match="install google-re2"):
        guarded(text)


@pytest.mark.parametrize("text", ["^a.*b$", "(?i)abc", r"\d{1,3}(\.\d+)?", "[a-z]+|x", "(?P<n>a)b?", "^(a|b)$"])
def test_both_engines_agree(text: str) -> None:
    for value in ("", "ab", "ABC", "12.5", "a", "x"):
        assert (
            bool(compile_pattern(text).search(value))
            == bool(guarded(text).search(value))
            == bool(re.search(text, value))
        )

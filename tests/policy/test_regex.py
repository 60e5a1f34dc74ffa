"""Regular expressions: RE2's syntax either way, and nothing that takes for ever without it."""

import pytest

from shipway.policy.cel import CelError
from shipway.policy.cel.regexes import compiled, matcher
from shipway.policy.regex import compile_pattern, guarded


@pytest.mark.parametrize("make", [compile_pattern, guarded])
@pytest.mark.parametrize("text", ["(", r"(a)\1", "(?=a)", "(?<!a)b", "(?>a)", "a{2000}", "a++"])
def test_refused(make: object, text: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        make(text)


def test_a_pattern_has_an_end() -> None:
    with pytest.raises(ValueError, match="more than 10000 characters"):
        compile_pattern("x" * 20_000)


@pytest.mark.parametrize(
    "text",
    ["(a+)+$", "(a|b*)*c", "(a|a)*b", "(a*)*", "((a*)*)*", "((ab)?c+){3}", "(a?a)+$", "(?m)^a$", "[[:alpha:]]", r"a\Z"],
)
def test_without_re2_what_could_run_away_or_means_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="install google-re2"):
        guarded(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "^a$",
        r"a\z",
        r"[$]$",
        r"\$\s*$",
        "(?i)A",
        "(?:ab)*a",
        r"^[a-z]+(\.[a-z]+)?:\d+$",
        "é.",
        "",
        "^a.*b$",
        "(?P<n>a)b?",
        "^(a|b)$",
        "(a{2}b)*",
    ],
)
def test_all_ways_of_matching_agree(pattern: str) -> None:
    texts = ["a", "a\n", "A", "$", "$ ", "\v", "ab" * 20, "x.y:80", "aé🐱", "", "a" * 300, "b" * 290 + "a" * 10, "aab"]
    for text in texts:
        found = guarded(pattern).search(text)
        expected = found is not None
        assert matcher(pattern)(text, [10**6]) is expected
        assert (compiled(pattern).search(text) is not None) is expected
        again = compile_pattern(pattern).search(text)
        assert (again.span() if again else None) == (found.span() if found else None)


def test_without_re2_a_text_is_no_longer_than_its_pattern_allows() -> None:
    assert guarded("^[a-z]+:[0-9]+$").search("abc:123")
    assert guarded("a+").fullmatch("aaa")
    for method in ("search", "fullmatch", "finditer"):
        with pytest.raises(CelError, match="too long"):
            getattr(guarded("a*a*a*a*b", CelError), method)("a" * 5_000)
    with pytest.raises(ValueError, match="too long"):
        guarded("a?" * 30 + "a" * 30).search("a" * 30)

"""``did you mean …?`` for names people type. Called by ``spec`` for fields and values, by ``cli`` for application names."""

from collections.abc import Iterable
from difflib import get_close_matches

from shipway.model.errors import NotFound

_LONGEST = 64
"""A longer word is no typo of ours, and comparing it would take time that grows with its square."""


def closest(word: str, options: Iterable[str]) -> str:
    """The option most like ``word`` (letter case and separators do not count), or empty when none is near."""
    if len(word) > _LONGEST:
        return ""
    folded = {_fold(option): option for option in options}
    near = get_close_matches(_fold(word), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else ""


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """``; did you mean `archetype`?`` to append to a message, or empty."""
    option = closest(word, options)
    return f"; did you mean `{option}`?" if option else ""


def _fold(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def known(name: str, names: tuple[str, ...], what: str) -> str:
    """``name``, if it is one of ``names``.

    Raises:
        NotFound: it is not.
    """
    if name not in names:
        hint = f"There is {', '.join(names[:20])}." if names else ""
        raise NotFound(f"there is no {what} `{name}`{did_you_mean(name, names)}", hint=hint)
    return name

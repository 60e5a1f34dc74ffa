"""Whether a schedule is a cron line, and what its fields hold. Used by :mod:`shipway.spec.rules` and :mod:`shipway.cost.schedule`."""

import re

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day of week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
EVERY_RELEASE = "release"
"""The schedule of a job that runs once with every release."""
_PART = re.compile(r"(\*|([a-z0-9]{1,3})(?:-([a-z0-9]{1,3}))?)(?:/(\d{1,3}))?")


def cron_error(line: str) -> str:
    """What is wrong with ``line`` as the five fields of cron (as Kubernetes reads them), or empty."""
    if line == EVERY_RELEASE:
        return ""
    parts = line.lower().split()
    if len(parts) != len(_FIELDS):
        return f'expected five fields (minute, hour, day of month, month, day of week) such as "0 3 * * *", got {len(parts)}'
    for part, (name, low, high) in zip(parts, _FIELDS, strict=True):
        if not all(_fits(item, name, low, high) for item in part.split(",")):
            return f"expected {low} to {high}, a range, a list or * for the {name}, got {part[:60]}"
    return ""


def cron_fields(line: str) -> tuple[frozenset[int], ...]:
    """The values of the five fields; a Sunday is 0.

    Raises:
        ValueError: it is no cron line, or :data:`EVERY_RELEASE`.
    """
    error = "it has no times" if line == EVERY_RELEASE else cron_error(line)
    if error:
        raise ValueError(error)
    parts = zip(line.lower().split(), _FIELDS, strict=True)
    fields = [{value for item in part.split(",") for value in _values(item, *field)} for part, field in parts]
    return (*map(frozenset, fields[:4]), frozenset(day % 7 for day in fields[4]))


def _values(item: str, name: str, low: int, high: int) -> range:
    match = _PART.fullmatch(item)
    assert match is not None  # cron_error has looked
    everything, first, last, step = match.groups()
    begin = low if everything == "*" else _number(first, name, low)
    end = high if everything == "*" or (last is None and step) else _number(last or first, name, low)
    assert begin is not None
    assert end is not None
    return range(begin, end + 1, int(step or 1))


def _fits(item: str, name: str, low: int, high: int) -> bool:
    match = _PART.fullmatch(item)
    if not match:
        return False
    _, first, last, step = match.groups()
    numbers = [_number(word, name, low) for word in (first, last) if word is not None]
    ordered = all(number is not None and low <= number <= high for number in numbers) and numbers == sorted(
        numbers, key=lambda n: n or 0
    )
    return ordered and (step is None or 0 < int(step) <= high)


def _number(word: str, name: str, low: int) -> int | None:
    if word.isdecimal():
        return int(word)
    names = _NAMES.get(name, ())
    return names.index(word) + low if word in names else None

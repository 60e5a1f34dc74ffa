"""Semantic versions and Kubernetes quantities: values that are compared, not selected from."""

import re
from typing import Any

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import Library, function, method
from shipway.policy.cel.values import INT_MAX, INT_MIN, Opaque

_PART = r"(0|[1-9][0-9]*)"
_IDENTIFIERS = r"((?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)"
_SEMVER = re.compile(
    rf"{_PART}\.{_PART}\.{_PART}(?:-{_IDENTIFIERS})?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?", re.ASCII
)
_QUANTITY = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3}|)", re.ASCII)
_SCALES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
MAX_DIGITS = 1000
MOST_DIGITS = 18
"""Of a quantity that Kubernetes keeps as an integer."""
NANO = 10**9


class Ordered(Opaque):
    """A value with an order of its own: ``key`` decides."""

    key: Any

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ordered) or type(other) is not type(self):
            return False
        return bool(self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)


class Quantity(Ordered):
    """An amount such as ``1.5Gi``, exact to 10^-9 as in Kubernetes."""

    cel_type = "kubernetes.Quantity"

    def __init__(self, nanos: int, whole: bool = True) -> None:
        self.key = nanos
        self.whole = whole
        """Written without a fraction, with at most 18 digits: only then does Kubernetes take it for an integer."""

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.key), NANO)
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        return f"{'-' if self.key < 0 else ''}{whole}{fraction}"

    @property
    def is_integer(self) -> bool:
        """Whether ``asInteger`` has a value."""
        return bool(self.whole and self.key % NANO == 0 and INT_MIN <= self.key // NANO <= INT_MAX)


class Semver(Ordered):
    """A version as semver.org defines it; the build does not count in comparisons."""

    cel_type = "kubernetes.Semver"

    def __init__(self, numbers: tuple[int, int, int], release: str, build: str) -> None:
        self.numbers = numbers
        self.text = ".".join(map(str, numbers)) + (f"-{release}" if release else "") + (f"+{build}" if build else "")
        # A release comes after its pre-releases; numbers come before words and are compared as numbers.
        parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in release.split(".") if part]
        self.key = (numbers, not release, parts)

    def __hash__(self) -> int:
        return hash(self.numbers)

    __eq__ = Ordered.__eq__

    def __str__(self) -> str:
        return self.text


def parse_quantity(text: str) -> Quantity:
    """``quantity(text)``; what is finer than 10^-9 is rounded away from zero."""
    found = _QUANTITY.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if found is None:
        raise CelError(
            f"cannot parse {text[:50]!r} as a quantity: expected a number with a suffix such as m, k, Mi or G"
        )
    sign, number, suffix = found.groups()
    whole, _, fraction = number.partition(".")
    scale = 9 - len(fraction)
    value = int((whole + fraction) or "0")
    whole_number = scale >= 9 and len(str(value)) <= MOST_DIGITS
    if suffix[1:] == "i":
        value *= 1024 ** ("KMGTPE".index(suffix[0]) + 1)
        whole_number = whole_number and len(str(value)) <= MOST_DIGITS
    else:
        scale += int(suffix[1:]) if suffix[:1] in ("e", "E") and suffix[1:] else _SCALES[suffix]
        whole_number = scale >= 9 and len(str(value)) <= MOST_DIGITS
    nanos = value * 10**scale if scale >= 0 else -(-value // 10**-scale)
    return Quantity(-nanos if sign == "-" else nanos, whole_number)


def parse_semver(text: str, normalize: bool = False) -> Semver:
    """``semver(text, normalize)``; normalising drops a leading v and zeros, and adds missing parts."""
    found = _SEMVER.fullmatch(_normalized(text) if normalize else text)
    if found is None or len(text) > MAX_DIGITS:
        raise CelError(f"cannot parse {text[:50]!r} as a semantic version: expected MAJOR.MINOR.PATCH")
    major, minor, patch, release, build = found.groups()
    return Semver((int(major), int(minor), int(patch)), release or "", build or "")


def _normalized(text: str) -> str:
    parts = text.removeprefix("v").split(".", 2)
    parts = [re.sub(r"^0+(?=[0-9])", "", part) for part in parts]
    if len(parts) < 3 and ("-" in parts[-1] or "+" in parts[-1]):
        return ""
    return ".".join(parts + ["0"] * (3 - len(parts)))


def _parses(parse: Any, *args: Any) -> bool:
    try:
        parse(*args)
    except CelError:
        return False
    return True


def _compare(left: Ordered, right: Ordered) -> int:
    return int(left.key > right.key) - int(left.key < right.key)


def _added(left: Quantity, right: Any, sign: int = 1) -> Quantity:
    other = right.key if isinstance(right, Quantity) else right * NANO
    whole = left.whole and (right.whole if isinstance(right, Quantity) else True)
    return Quantity(left.key + sign * other, whole)


def _as_integer(value: Quantity) -> int:
    if not value.is_integer:
        raise CelError(f"cannot convert {value} to integer")
    return int(value.key // NANO)


def _as_float(value: Quantity) -> float:
    try:
        return float(value.key / NANO)
    except OverflowError:
        return float("inf") if value.key > 0 else float("-inf")


FUNCTIONS: Library = (
    *(
        overload
        for kind in (Quantity, Semver)
        for overload in (
            method("isLessThan", lambda a, b: a.key < b.key, kind, kind, kind="bool"),
            method("isGreaterThan", lambda a, b: a.key > b.key, kind, kind, kind="bool"),
            method("compareTo", _compare, kind, kind, kind="int"),
        )
    ),
    function("quantity", parse_quantity, str),
    function("isQuantity", lambda text: _parses(parse_quantity, text), str, kind="bool"),
    method("add", _added, Quantity, (Quantity, int)),
    method("sub", lambda a, b: _added(a, b, -1), Quantity, (Quantity, int)),
    method("sign", lambda value: (value.key > 0) - (value.key < 0), Quantity, kind="int"),
    method("isInteger", lambda value: value.is_integer, Quantity, kind="bool"),
    method("asInteger", _as_integer, Quantity, kind="int"),
    method("asApproximateFloat", _as_float, Quantity, kind="double"),
    function("semver", parse_semver, str),
    function("semver", parse_semver, str, bool),
    function("isSemver", lambda text: _parses(parse_semver, text), str, kind="bool"),
    function("isSemver", lambda text, normalize: _parses(parse_semver, text, normalize), str, bool, kind="bool"),
    method("major", lambda version: version.numbers[0], Semver, kind="int"),
    method("minor", lambda version: version.numbers[1], Semver, kind="int"),
    method("patch", lambda version: version.numbers[2], Semver, kind="int"),
)

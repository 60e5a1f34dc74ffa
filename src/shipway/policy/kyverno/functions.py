"""The functions that Kyverno adds to JMESPath, as a table of pure functions with the types of their arguments.

Called by ``expressions``. Every function takes and gives plain JSON values; what goes wrong is a :class:`RuleFault`. Those
that need a clock get ``at``. Two are refused when a policy is read: :data:`REFUSED`.
"""

import base64
import binascii
import hashlib
import ipaddress
import json
import posixpath
import urllib.parse
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from shipway.policy.kyverno import amounts, arithmetic, images, scalars, searching, times, versions
from shipway.policy.kyverno.faults import RuleFault
from shipway.spec import reading

LONGEST = 1_000_000
"""Characters that a function may return."""


def _text(value: object) -> str:
    found = scalars.written(value)
    if found is None:
        raise RuleFault("expected a string or a number")
    return found


def _whole(value: float, what: str) -> int:
    if not float(value).is_integer() or abs(value) > 10**9:
        raise RuleFault(f"expected a whole number as {what}, got {value}")
    return int(value)


def _compare(left: str, right: str) -> int:
    return (left > right) - (left < right)


def _replace(text: str, old: str, new: str, count: float) -> str:
    times_ = _whole(count, "count")
    if len(text) + len(new) * (text.count(old) + 1) > LONGEST:
        raise RuleFault("the replaced text is too long")
    return text.replace(old, new, times_)


def _replace_all(text: str, old: str, new: str) -> str:
    return _replace(text, old, new, -1)


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _trim_prefix(text: str, prefix: str) -> str:
    return text.removeprefix(prefix)


def _truncate(text: str, length: float) -> str:
    return text[: max(_whole(length, "length"), 0)]


def _to_boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in {"true", "false"}:
        raise RuleFault(f"expected `true` or `false`, got `{text[:60]}`")
    return lowered == "true"


def _regex_match(pattern: str, text: object) -> bool:
    return searching.contains(pattern, _text(text))


def _regex_replace_all(pattern: str, text: object, replacement: object) -> str:
    return searching.replace(pattern, _text(text), _text(replacement))


def _regex_replace_all_literal(pattern: str, text: object, replacement: object) -> str:
    return searching.replace_literally(pattern, _text(text), _text(replacement))


def _pattern_match(pattern: object, text: object) -> bool:
    return scalars.satisfies(text, _text(pattern))


def _label_match(labels: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return all(name in others and others[name] == value for name, value in labels.items())


def _base64_decode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", errors="replace")
    except (binascii.Error, ValueError) as error:
        raise RuleFault(f"not base64: {error}") from None


def _base64_encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _hashed(algorithm: str) -> Callable[[str], str]:
    return lambda text: hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


def _parse_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RuleFault(f"not JSON: {error}") from None


def _parse_yaml(text: str) -> object:
    nodes, problems = reading.read(reading.Source("text", text))
    if problems:
        raise RuleFault(f"not YAML: {problems[0].message}")
    return nodes[0].data()


def _items(value: Mapping[str, Any] | list[Any], key_name: str, value_name: str) -> list[dict[str, Any]]:
    pairs: Any = sorted(value.items()) if isinstance(value, Mapping) else enumerate(value)
    return [{key_name: key, value_name: item} for key, item in pairs]


def _object_from_lists(keys: list[Any], values: list[Any]) -> dict[str, Any]:
    return {_text(key): values[i] if i < len(values) else None for i, key in enumerate(keys)}


def _lookup(value: Mapping[str, Any] | list[Any], key: object) -> object:
    if isinstance(value, Mapping):
        if not isinstance(key, str):
            raise RuleFault("lookup() in an object needs a string as the key")
        return value.get(key)
    if isinstance(key, bool) or not isinstance(key, int | float):
        raise RuleFault("lookup() in an array needs a number as the index")
    index = _whole(key, "index")
    return value[index] if 0 <= index < len(value) else None


def _image_normalize(text: str) -> str:
    image = images.parse(text)
    if image is None:
        raise RuleFault(f"`{text[:80]}` is no image")
    return image.reference


def _path_canonicalize(path: str) -> str:
    return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else posixpath.normpath(path)


def _is_external_url(url: str) -> bool:
    """Only literal addresses can be judged without a name server; other hosts are an error."""
    host = urllib.parse.urlsplit(url).hostname or ""
    if host == "localhost":
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        raise RuleFault(f"is_external_url() cannot look up `{host[:80]}`; only addresses are judged offline") from None


def _zip(keys: list[Any], values: list[Any]) -> dict[str, Any]:
    return _object_from_lists(keys, values)


def _time_add(time: str, duration: str) -> str:
    return times.write(times.shifted(times.parse(time), times.duration(duration)))


def _time_after(time: str, other: str) -> bool:
    return times.parse(time) > times.parse(other)


def _time_before(time: str, other: str) -> bool:
    return times.parse(time) < times.parse(other)


def _time_between(time: str, start: str, end: str) -> bool:
    return times.parse(start) < times.parse(time) < times.parse(end)


def _time_diff(start: str, end: str) -> str:
    return amounts.format_duration(times.between(times.parse(start), times.parse(end)))


def _time_parse(layout: str, text: str) -> str:
    return times.write(times.parse_layout(layout, text))


def _time_to_cron(text: str) -> str:
    time = times.parse(text)
    return f"{time.minute} {time.hour} {time.day} {time.month} {time.isoweekday() % 7}"


def _time_truncate(text: str, duration: str) -> str:
    """Down to a multiple of the duration since the year 1, as Go truncates."""
    time, step = times.parse(text), times.duration(duration)
    start = times.parse("0001-01-01T00:00:00Z")
    return times.write(time if step <= 0 else times.shifted(time, -(times.between(start, time) % step)))


def _time_utc(text: str) -> str:
    return times.write(times.parse(text).astimezone(UTC))


def _time_now(at: float) -> str:
    return times.write(times.now(at))


def _time_since(at: float, layout: str, start: str, end: str) -> str:
    read = (lambda text: times.parse_layout(layout, text)) if layout else times.parse
    finish = read(end) if end else times.now(at)
    return amounts.format_duration(times.between(read(start), finish))


REFUSED: Mapping[str, str] = {
    "random": "a verdict must be repeatable",
    "x509_decode": "certificates are not decoded",
}
"""Functions that expressions may not call, and why not."""

FUNCTIONS: Mapping[str, tuple[Callable[..., object], str]] = {
    "add": (arithmetic.add, "any any"),
    "base64_decode": (_base64_decode, "string"),
    "base64_encode": (_base64_encode, "string"),
    "compare": (_compare, "string string"),
    "divide": (arithmetic.divide, "any any"),
    "equal_fold": (lambda left, right: left.casefold() == right.casefold(), "string string"),
    "image_normalize": (_image_normalize, "string"),
    "is_external_url": (_is_external_url, "string"),
    "items": (_items, "object|array string string"),
    "label_match": (_label_match, "object object"),
    "lookup": (_lookup, "object|array string|number"),
    "md5": (_hashed("md5"), "string"),
    "modulo": (arithmetic.modulo, "any any"),
    "multiply": (arithmetic.multiply, "any any"),
    "object_from_lists": (_object_from_lists, "array array"),
    "parse_json": (_parse_json, "string"),
    "parse_yaml": (_parse_yaml, "string"),
    "path_canonicalize": (_path_canonicalize, "string"),
    "pattern_match": (_pattern_match, "string|number string|number"),
    "regex_match": (_regex_match, "string string|number"),
    "regex_replace_all": (_regex_replace_all, "string string|number string|number"),
    "regex_replace_all_literal": (_regex_replace_all_literal, "string string|number string|number"),
    "replace": (_replace, "string string string number"),
    "replace_all": (_replace_all, "string string string"),
    "round": (arithmetic.rounded, "number number"),
    "semver_compare": (versions.satisfies, "string string"),
    "sha1": (_hashed("sha1"), "string"),
    "sha256": (_hashed("sha256"), "string"),
    "split": (_split, "string string"),
    "subtract": (arithmetic.subtract, "any any"),
    "sum": (arithmetic.total, "array"),
    "time_add": (_time_add, "string string"),
    "time_after": (_time_after, "string string"),
    "time_before": (_time_before, "string string"),
    "time_between": (_time_between, "string string string"),
    "time_diff": (_time_diff, "string string"),
    "time_parse": (_time_parse, "string string"),
    "time_to_cron": (_time_to_cron, "string"),
    "time_truncate": (_time_truncate, "string string"),
    "time_utc": (_time_utc, "string"),
    "to_boolean": (_to_boolean, "string"),
    "to_lower": (str.lower, "string"),
    "to_upper": (str.upper, "string"),
    "trim": (str.strip, "string string"),
    "trim_prefix": (_trim_prefix, "string string"),
    "truncate": (_truncate, "string number"),
    "zip": (_zip, "array array"),
}
"""Name to function and the types of its arguments, as JMESPath names them; ``any`` takes everything but null."""

TIMED: Mapping[str, tuple[Callable[..., object], str]] = {
    "time_now": (_time_now, ""),
    "time_now_utc": (_time_now, ""),
    "time_since": (_time_since, "string string string"),
}
"""Functions whose first argument is the time of the request, in seconds since the epoch."""

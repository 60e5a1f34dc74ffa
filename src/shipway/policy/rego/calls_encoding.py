"""Builtins that encode, decode, hash and parse: JSON, YAML, Base64, hex, URLs, tokens (decoding only), versions, UUIDs."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, quote_plus, unquote_plus

from shipway.policy.rego.builtin import Library
from shipway.policy.rego.faults import BuiltinError, OperandError
from shipway.policy.rego.values import Set, Value, ordered, plain, to_json

encoding = Library()
add = encoding.add
MOST_COPIES: Final = 100_000
"""Elements that the aliases of a YAML text may make."""


def simple(name: str, signature: str, function: Callable[..., Value]) -> None:
    """A builtin that is one expression."""
    add(name, signature)(function)


def _decoded(text: str, *, url: bool) -> str:
    cleaned = text.replace("\r", "").replace("\n", "")
    padded = cleaned + "=" * (-len(cleaned) % 4) if url else cleaned
    if url and ("+" in text or "/" in text):
        raise BuiltinError("illegal base64 data: not the alphabet of URLs")
    try:
        return base64.b64decode(padded, altchars=b"-_" if url else None, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError) as error:
        raise BuiltinError(f"illegal base64 data: {error}") from error


def _encoded(text: str, *, url: bool = False) -> str:
    return (base64.urlsafe_b64encode if url else base64.b64encode)(text.encode(errors="surrogatepass")).decode()


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


simple("base64.encode", "s", _encoded)
simple("base64.decode", "s", lambda text: _decoded(text, url=False))
simple("base64.is_valid", "s", _is_base64)
simple("base64url.encode", "s", lambda text: _encoded(text, url=True))
simple("base64url.encode_no_pad", "s", lambda text: _encoded(text, url=True).rstrip("="))
simple("base64url.decode", "s", lambda text: _decoded(text, url=True))
simple("hex.encode", "s", lambda text: text.encode().hex())
simple("urlquery.encode", "s", quote_plus)


@add("urlquery.decode", "s")
def urlquery_decode(text: str) -> str:
    """Undoes ``urlquery.encode``."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise BuiltinError("invalid URL escape")
    return unquote_plus(text, errors="replace")


@add("hex.decode", "s")
def hex_decode(text: str) -> str:
    """Bytes in hexadecimal to text."""
    try:
        return bytes.fromhex(text).decode()
    except ValueError as error:
        raise BuiltinError("invalid hexadecimal") from error


_HTML: Final = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"})


def dumped(value: Value, indent: str | None = None) -> str:
    """JSON without spaces, as Go writes it (with <, >, & and line separators escaped)."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(to_json(value), separators=separators, ensure_ascii=False, indent=indent)
    return text.translate(_HTML)


@add("json.marshal_with_options", "*o")
def marshal_with_options(value: Value, options: Mapping[str, Value]) -> str:
    """JSON over several lines: ``pretty``, ``indent``, ``prefix``."""
    if not set(options) <= {"pretty", "indent", "prefix"}:
        raise OperandError("object contained unknown key")
    pretty = options.get("pretty", bool(options))
    if not pretty:
        return dumped(value)
    prefix = str(options.get("prefix", ""))
    lines = dumped(value, str(options.get("indent", "\t"))).split("\n")
    return "\n".join([prefix + line for line in lines])


def _is_valid(load: Callable[[str], Value], text: str) -> bool:
    try:
        load(text)
    except BuiltinError:
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"invalid number {name}")


def loaded(text: str) -> Value:
    """The value of a JSON text."""
    try:
        return plain(json.loads(text, parse_constant=_refuse_constant))
    except (ValueError, RecursionError) as error:
        raise BuiltinError(f"invalid JSON: {error}") from error


def _size(value: object, known: dict[int, int]) -> int:
    """Elements of a value with every alias written out; each is walked once, however often it is named."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST_COPIES  # what holds itself has no end
        items = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(item, known) for item in items)
    return known[id(value)]


def yaml_loaded(text: str) -> Value:
    """The value of the first document of a YAML text."""
    import yaml

    try:
        found = next(yaml.load_all(text, Loader=yaml.CSafeLoader), None)
        if _size(found, {}) > max(MOST_COPIES, len(text)):
            raise BuiltinError("the aliases of the YAML make it too large")
        return plain(json.loads(json.dumps(found, default=str)))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise BuiltinError("invalid YAML") from error


simple("json.marshal", "*", dumped)
simple("json.unmarshal", "s", loaded)
simple("json.is_valid", "*", lambda text: type(text) is str and _is_valid(loaded, text))
simple("yaml.unmarshal", "s", yaml_loaded)
simple("yaml.is_valid", "*", lambda text: type(text) is str and _is_valid(yaml_loaded, text))


@add("yaml.marshal", "*")
def yaml_marshal(value: Value) -> str:
    """YAML in block style, keys in order."""
    import yaml

    return str(
        yaml.safe_dump(to_json(value), default_flow_style=False, sort_keys=True, allow_unicode=True)
    ).removesuffix("...\n")


@add("urlquery.encode_object", "o")
def encode_object(values: Mapping[str, Value]) -> str:
    """Keys in order; a value is a string or a collection of strings."""
    parts: list[str] = []
    for key in sorted(map(str, values)):
        value = values[key]
        items = [value] if type(value) is str else ordered(value) if type(value) is Set else value
        if type(items) is not list or not all(type(item) is str for item in items):
            raise OperandError("urlquery.encode_object: values must be strings or collections of strings")
        parts += [f"{quote_plus(key)}={quote_plus(item)}" for item in items]
    return "&".join(parts)


simple("urlquery.decode_object", "s", lambda text: parse_qs(text, keep_blank_values=True))
simple("crypto.md5", "s", lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())
simple("crypto.sha1", "s", lambda text: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
simple("crypto.sha256", "s", lambda text: hashlib.sha256(text.encode()).hexdigest())
simple("crypto.hmac.equal", "ss", lambda left, right: left == right)
for algorithm in ("md5", "sha1", "sha256", "sha512"):
    simple(
        f"crypto.hmac.{algorithm}", "ss",
        lambda text, key, name=algorithm: hmac.new(key.encode(), text.encode(), name).hexdigest(),
    )  # fmt: skip


@add("io.jwt.decode", "s")
def jwt_decode(token: str) -> Value:
    """Header, payload and signature (hexadecimal) of a token, unverified."""
    parts = token.split(".")
    if len(parts) != 3:
        raise BuiltinError("encoded JWT must have exactly three sections")
    header, payload = _sections(parts)
    if not isinstance(header, dict) or not isinstance(payload, dict):
        raise BuiltinError("JWT header and payload must be objects")
    padded = parts[2] + "=" * (-len(parts[2]) % 4)
    try:
        signature = base64.b64decode(padded, altchars=b"-_", validate=True).hex()
    except ValueError as error:
        raise BuiltinError("JWT signature had invalid encoding") from error
    return [header, payload, signature]


def _sections(parts: list[str]) -> tuple[Value, Value]:
    """Header and payload; a payload that is a token itself is decoded in turn."""
    header = loaded(_decoded(parts[0], url=True))
    if isinstance(header, dict) and "enc" in header:
        raise BuiltinError("JWT is a JWE object, which is not supported")
    text = _decoded(parts[1], url=True)
    if isinstance(header, dict) and str(header.get("cty", "")).upper() == "JWT":
        inner = text.strip('"').split(".")
        if len(inner) == 3:
            return _sections(inner)
    return header, loaded(text)


@add("uuid.parse", "s")
def uuid_parse(text: str) -> Value:
    """Version and variant of a UUID; of version 1 and 2 also time and node."""
    try:
        found = uuid.UUID(text)
    except ValueError as error:
        raise BuiltinError("invalid UUID") from error
    parts: dict[str, Any] = {"version": found.version or 0, "variant": _variant(found)}
    if found.version in (1, 2):
        mac = f"{found.node:012x}"
        parts |= {
            "nodeid": "-".join(mac[at : at + 2] for at in range(0, 12, 2)),
            "macvariables": _mac(found.node >> 40),
            "clocksequence": found.clock_seq,
            "time": (found.time - 0x01B21DD213814000) * 100,
        }
    if found.version == 2:
        parts |= {"id": found.time_low, "domain": {0: "Person", 1: "Group", 2: "Org"}.get(found.clock_seq_low, "")}
    return parts


def _mac(first: int) -> str:
    return f"{'local' if first & 2 else 'global'}:{'multicast' if first & 1 else 'unicast'}"


def _variant(found: uuid.UUID) -> str:
    return {uuid.RFC_4122: "RFC4122", uuid.RESERVED_NCS: "Reserved", uuid.RESERVED_MICROSOFT: "Microsoft"}.get(
        found.variant, "Future"
    )


_SEMVER: Final = re.compile(
    r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
simple("semver.is_valid", "*", lambda text: type(text) is str and _SEMVER.fullmatch(text) is not None)


@add("semver.compare", "ss")
def semver_compare(left: str, right: str) -> int:
    """-1, 0 or 1 by the rules of Semantic Versioning 2.0 (section 11)."""
    one, other = _version(left), _version(right)
    return (one > other) - (one < other)


def _version(text: str) -> tuple[Any, ...]:
    match = _SEMVER.fullmatch(text)
    if not match:
        raise BuiltinError(f"{text!r} is not a valid semantic version")
    release = tuple(int(part) for part in match.groups()[:3])
    pre = match.group(4)
    if pre is None:
        return (*release, 1, ())
    return (*release, 0, tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split(".")))


@add("json.verify_schema", "*")
def verify_schema(schema: Value) -> Value:
    """Whether it is a JSON schema, and if not, why."""
    import jsonschema_rs

    try:
        jsonschema_rs.validator_for(loaded(schema) if type(schema) is str else to_json(schema))
    except (ValueError, BuiltinError) as error:
        return [False, str(error)]
    return [True, None]


@add("json.match_schema", "**")
def match_schema(document: Value, schema: Value) -> Value:
    """Whether a document fits a schema, with what does not."""
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(loaded(schema) if type(schema) is str else to_json(schema))
    except ValueError as error:
        raise BuiltinError(str(error)) from error
    subject = loaded(document) if type(document) is str else to_json(document)
    errors = [
        {
            "desc": error.message, "error": f"{_field(error.instance_path)}: {error.message}",
            "field": _field(error.instance_path), "type": str(error.schema_path[-1]) if error.schema_path else "",
        }
        for error in validator.iter_errors(subject)
    ]  # fmt: skip
    return [not errors, errors]


def _field(path: list[Any]) -> str:
    return ".".join(map(str, path)) or "(root)"

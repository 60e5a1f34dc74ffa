"""URLs, Kubernetes' named formats (``format.dns1123Label().validate(x)``), and its authorizer, which needs a cluster."""

import base64
import binascii
import re
import urllib.parse
from collections.abc import Callable, Sequence
from typing import NoReturn

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import Library, function, method
from shipway.policy.cel.strings import quote as quoted
from shipway.policy.cel.timestamps import timestamp
from shipway.policy.cel.values import EMPTY, Opaque, Optional

# -- URLs

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):", re.ASCII)
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.%]+\]|[^\[\]\s<>\"\\^`{|}/?#]*?)(?::[0-9]*)?", re.ASCII)
_PORT = re.compile(r"[^:]*|.*:[0-9]*|\[.*\]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


class Url(Opaque):
    """An absolute URL or an absolute path."""

    cel_type = "kubernetes.URL"

    def __init__(self, text: str, scheme: str, host: str, path: str, query: str) -> None:
        self.text, self.scheme, self.host, self.path, self.query = text, scheme, host, path, query

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    @property
    def hostname(self) -> str:
        """The host without port and brackets."""
        host, port = self.host, self.port
        return (host[: -len(port) - 1] if port or host.endswith(":") else host).strip("[]")

    @property
    def port(self) -> str:
        """The port's digits, or nothing."""
        tail = self.host.rpartition(":")[2] if ":" in self.host.rpartition("]")[2] else ""
        return tail if tail.isdigit() else ""


def parse_url(text: str) -> Url:
    """``url(text)``: what Go's ParseRequestURI accepts."""
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    rest = text[found.end() :] if found else text
    rest, _, query = rest.partition("?")
    if _CONTROL.search(text) or _BAD_ESCAPE.search(rest) or not (scheme or rest.startswith("/")):
        raise CelError(f"URL parse error during conversion from string: {text[:80]!r}")
    host = ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        host, rest = authority.rpartition("@")[2], slash + path
        if not scheme:
            host, rest = "", "//" + authority + slash + path
        elif " " in authority or not (_HOST.fullmatch(host) and _PORT.fullmatch(host)):
            raise CelError(f"URL parse error during conversion from string: invalid host in {text[:80]!r}")
    return Url(text, scheme, host, "" if scheme and rest and rest[0] != "/" else rest, query.partition("#")[0])


def is_url(text: str) -> bool:
    """``isURL(text)``."""
    try:
        parse_url(text)
    except CelError:
        return False
    return True


def _query(url: Url) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in url.query.split("&"):
        if not pair or ";" in pair or _BAD_ESCAPE.search(pair):
            continue
        key, _, value = pair.partition("=")
        values.setdefault(urllib.parse.unquote_plus(key), []).append(urllib.parse.unquote_plus(value))
    return values


def _escaped_path(url: Url) -> str:
    return urllib.parse.quote(url.path, safe="/%:@!$&'()*+,;=~-._[]")


# -- formats

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_UUID = r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"

Check = Callable[[str], list[str]]


class Format(Opaque):
    """A named format."""

    cel_type = "kubernetes.NamedFormat"

    def __init__(self, name: str, check: Check) -> None:
        self.name, self.check = name, check

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name


def _shape(what: str, rule: str, examples: Sequence[str], pattern: str, limit: int, *, prefix: bool = False) -> Check:
    compiled = re.compile(pattern, re.ASCII)
    such = ",  or ".join(f"'{example}'" for example in examples)
    sentence = f"{what} {rule} (e.g. {such}, regex used for validation is '{pattern}')"

    def check(text: str) -> list[str]:
        problems = [f"must be no more than {limit} characters"] if len(text) > limit else []
        # A name may follow a prefix, so a dash at its end is no problem.
        tested = text[:-1] + "a" if prefix and text.endswith("-") and len(text) > 1 else text
        if len(text) <= 10 * limit and not compiled.fullmatch(tested):
            problems.append(sentence)
        return problems

    return check


# The words are Kubernetes' own: policies put them into their messages, and tests compare them.
_ENDS = "and must start and end with an alphanumeric character"
_LETTERS = f"must consist of lower case alphanumeric characters or '-', {_ENDS}"
_MIXED = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_NAMES = ("MyName", "my.name", "123-abc")
_LABELS = ("a lowercase RFC 1123 label", _LETTERS, ("my-name", "123-abc"), _LABEL, 63)
_SUBDOMAINS = ("a lowercase RFC 1123 subdomain", f"must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}",
               ("example.com",), _SUBDOMAIN, 253)  # fmt: skip
_OLD_LABELS = ("a DNS-1035 label", ("must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
               "and end with an alphanumeric character"), ("my-name", "abc-123"), _DNS1035, 63)  # fmt: skip
_name = _shape("name part", _MIXED, _NAMES, _NAME, 63)
_key = _shape("a valid label key", _MIXED, _NAMES, _NAME, 63)
_subdomain = _shape(*_SUBDOMAINS)


def _qualified_name(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    if text.count("/") > 1:
        return [f"{_key('')[0]} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if slash and not prefix:
        return ["prefix part must be non-empty", *_name(name)]
    problems = [f"prefix part {problem}" for problem in _subdomain(prefix)] if slash else []
    return [*problems, *([] if name else ["name part must be non-empty"]), *_name(name)]


def _reads(problem: str | Callable[[str], str], read: Callable[[str], object]) -> Check:
    def check(text: str) -> list[str]:
        try:
            read(text)
        except (CelError, ValueError, binascii.Error):
            return [problem if isinstance(problem, str) else problem(text)]
        return []

    return check


def _base64(text: str) -> None:
    if not text:
        raise CelError("empty")
    base64.b64decode(text, validate=True)


def _date(text: str) -> None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise CelError("expected YYYY-MM-DD")
    timestamp(f"{text}T00:00:00Z")


_CHECKS: dict[str, Check] = {
    "dns1123Label": _shape(*_LABELS),
    "dns1123Subdomain": _subdomain,
    "dns1035Label": _shape(*_OLD_LABELS),
    "qualifiedName": _qualified_name,
    "dns1123LabelPrefix": _shape(*_LABELS, prefix=True),
    "dns1123SubdomainPrefix": _shape(*_SUBDOMAINS, prefix=True),
    "dns1035LabelPrefix": _shape(*_OLD_LABELS, prefix=True),
    "labelValue": _shape(
        "a valid label",
        f"must be an empty string or {_MIXED.removeprefix('must ')}",
        ("MyValue", "my_value", "12345"),
        rf"({_NAME})?",
        63,
    ),
    "uri": _reads(
        lambda text: f"parse {quoted(text)}: {'invalid URI for request' if text else 'empty url'}", parse_url
    ),
    "uuid": lambda text: [] if re.fullmatch(_UUID, text, re.ASCII) else ["does not match the UUID format"],
    "byte": _reads("invalid base64", _base64),
    "date": _reads("invalid date", _date),
    "datetime": _reads("invalid datetime", timestamp),
}
_FORMATS = {name: Format(name, check) for name, check in _CHECKS.items()}


def _constant(made: Format) -> Callable[[], Format]:
    return lambda: made


def _named(name: str) -> Optional:
    return Optional(_FORMATS[name]) if name in _FORMATS else EMPTY


def _validate(made: Format, text: str) -> Optional:
    problems = made.check(text)
    return Optional(problems) if problems else EMPTY


# -- the authorizer


class Authorizer(Opaque):
    """Stands for the ``authorizer`` variable: every question to it is an error that says why."""

    cel_type = "kubernetes.authorization.Authorizer"


def _no_authorizer(*_: object) -> NoReturn:
    raise CelError("the authorizer asks a running cluster who may do what; it is not available here")


FUNCTIONS: Library = (
    function("url", parse_url, str),
    function("isURL", is_url, str, kind="bool"),
    method("getScheme", lambda url: url.scheme, Url, kind="string"),
    method("getHost", lambda url: url.host, Url, kind="string"),
    method("getHostname", lambda url: url.hostname, Url, kind="string"),
    method("getPort", lambda url: url.port, Url, kind="string"),
    method("getEscapedPath", _escaped_path, Url, kind="string"),
    method("getQuery", _query, Url, kind="map"),
    *(function(f"format.{name}", _constant(made)) for name, made in _FORMATS.items()),
    function("format.named", _named, str, kind="optional"),
    method("validate", _validate, Format, str, kind="optional"),
    *(
        method(name, _no_authorizer, Authorizer, str)
        for name in ("path", "group", "resource", "check", "namespace", "name")
    ),
    method("serviceAccount", _no_authorizer, Authorizer, str, str),
    method("allowed", _no_authorizer, Authorizer),
)

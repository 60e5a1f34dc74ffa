"""The CEL libraries that only Kyverno has: ``resource``, ``image``, ``globalContext``, ``http``, ``time``, ``json``, ``math`` ...

Added to the environment in ``celrules``. Nothing is fetched: ``resource`` reads the request's inventory, ``image`` and
``http`` and ``globalContext`` the answers given in ``Request.values``; without an answer the expression has no value.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

from shipway.policy.cel import ANY, LIST, MAP, CelError, Overload, function, method
from shipway.policy.cel.values import Duration, Timestamp
from shipway.policy.kyverno import arithmetic, context, images, resources
from shipway.policy.kyverno.faults import RuleFault
from shipway.policy.kyverno.functions import FUNCTIONS as JMESPATH
from shipway.policy.rules import Request

_SERVED: ContextVar[Request] = ContextVar("request")
"""The request under evaluation: overloads are compiled into programs, long before there is one."""
_MISSED: ContextVar[list[str]] = ContextVar("missed")


@contextmanager
def serving(request: Request) -> Iterator[list[str]]:
    """Expressions evaluated within see this request; gives the list that data they asked for in vain is noted in."""
    missed: list[str] = []
    tokens = _SERVED.set(request), _MISSED.set(missed)
    try:
        yield missed
    finally:
        _SERVED.reset(tokens[0])
        _MISSED.reset(tokens[1])


class NotGiven(CelError):
    """What a cluster, a registry or a service would have answered is not among the data of the request."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        _MISSED.get().append(message)


class Image:
    """A parsed reference, as ``image()`` makes it."""

    def __init__(self, parts: images.Image) -> None:
        self.parts = parts


def _image(text: str) -> Image:
    parts = images.parse(text)
    if parts is None:
        raise CelError(f"`{text[:80]}` is no image")
    return Image(parts)


def _repository(image: Image) -> str:
    path = image.parts.path
    return f"library/{path}" if image.parts.registry in {"docker.io", "index.docker.io"} and "/" not in path else path


def _registry(image: Image) -> str:
    return "index.docker.io" if image.parts.bare else image.parts.registry


def _resource_get(version: str, resource: str, *place: str) -> Any:
    namespace, name = ("", *place)[-2:]
    for item in resources.looked_up(_SERVED.get().inventory, version, resource, namespace):
        if (item.get("metadata") or {}).get("name") == name:
            return dict(item)
    raise NotGiven(f"{version} {resource} {namespace}/{name} is not given")


def _resource_list(version: str, resource: str, namespace: str = "", labels: Mapping[str, Any] | None = None) -> Any:
    if not _SERVED.get().inventory:
        raise NotGiven(f"no objects of a cluster are given to list {version} {resource}")
    found = resources.looked_up(_SERVED.get().inventory, version, resource, namespace)
    wanted = (labels or {}).items()
    listed = [
        dict(item)
        for item in found
        if all(((item.get("metadata") or {}).get("labels") or {}).get(key) == value for key, value in wanted)
    ]
    return {"apiVersion": version, "kind": "List", "items": listed}


def _given(key: str) -> Sequence[Mapping[str, Any]]:
    found = _SERVED.get().values.get(key)
    return found if isinstance(found, list | tuple) else ()


def _resource_post(version: str, resource: str, *rest: object) -> Any:
    del rest
    return _answer("POST", f"{version}/{resource}")


def _metadata(reference: str) -> Any:
    for one in _given("images"):
        if images.normal(str(one.get("image", ""))) == images.normal(reference):
            return dict(one)
    raise NotGiven(f"the registry's answer for `{reference}` is not given")


def _global(name: str, projection: str = "") -> Any:
    for one in _given("globalContextEntries"):
        if one.get("name") == name:
            try:
                return context.global_entry(one, projection, _SERVED.get().at)
            except RuleFault as fault:
                raise CelError(str(fault)) from None
    raise NotGiven(f"the global context entry `{name}` is not given")


def _answer(method_: str, url: str) -> Any:
    for one in _given("apiCallResponses"):
        if one.get("url", one.get("urlPath")) == url and str(one.get("method") or method_).upper() == method_:
            found = one.get("response") or {}
            body = found.get("body")
            whole = {"statusCode": found.get("statusCode", 200), "body": body}
            return {**body, **whole} if isinstance(body, Mapping) else whole  # older policies read the body itself
    raise NotGiven(f"no answer is given for {method_} {url}; nothing is fetched while policies are evaluated")


def _service_account(username: str) -> dict[str, str]:
    parts = username.split(":")
    if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"]:
        return {"Namespace": "", "Name": ""}
    return {"Namespace": parts[2], "Name": parts[3]}


def _jmespath(name: str) -> Any:
    """One of JMESPath's functions, with the errors of CEL."""

    def call(*arguments: object) -> object:
        try:
            return JMESPATH[name][0](*arguments)
        except RuleFault as fault:
            raise CelError(str(fault)) from None

    return call


def _round(number: float, places: int) -> float:
    if places < 0:
        step = 10.0 ** min(-places, 30)
        return arithmetic.rounded(number / step, 0) * step
    return arithmetic.rounded(float(number), places)


def _list_to_map(keyed: Sequence[Any], valued: Sequence[Any], key: str, value: str) -> dict[str, Any]:
    if len(keyed) != len(valued):
        raise CelError("listObjToMap() needs two lists of the same length")
    try:
        return {str(one[key]): other[value] for one, other in zip(keyed, valued, strict=True)}
    except (KeyError, TypeError):
        raise CelError(f"listObjToMap(): an item without `{key}` or `{value}`") from None


def _now() -> Timestamp:
    return Timestamp(int(_SERVED.get().at * 10**9))


def _truncated(moment: Timestamp, step: Duration) -> Timestamp:
    """Down to a multiple since the year 1, as Go truncates."""
    start = -62135596800 * 10**9
    return moment if step.nanos <= 0 else Timestamp(moment.nanos - (moment.nanos - start) % step.nanos)


def _cron(moment: Timestamp) -> str:
    time = datetime.fromtimestamp(moment.nanos // 10**9, UTC)
    return f"{time.minute} {time.hour} {time.day} {time.month} {time.isoweekday() % 7}"


def _hash(algorithm: str) -> Any:
    return lambda text: hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CelError(f"not JSON: {error}") from None


def _refused(name: str, why: str) -> Any:
    def refuse(*_: object) -> object:
        raise CelError(f"{name}() is not supported: {why}")

    return refuse


_NEVER = "nothing is fetched or made up while policies are evaluated"
_DECLARED = (
    function("resource.Get", _resource_get, str, str, str, kind="dyn"),
    function("resource.Get", _resource_get, str, str, str, str),
    function("resource.List", _resource_list, str, str),
    function("resource.List", _resource_list, str, str, str),
    function("resource.List", _resource_list, str, str, str, MAP),
    function("resource.Post", _resource_post, str, str, ANY),
    function("resource.Post", _resource_post, str, str, str, ANY),
    function("image.GetMetadata", _metadata, str),
    function("globalContext.Get", _global, str),
    function("globalContext.Get", _global, str, str),
    function("http.Get", lambda url: _answer("GET", url), str),
    function("http.Get", lambda url, _: _answer("GET", url), str, ANY),
    function("http.Post", lambda url, *_: _answer("POST", url), str, ANY),
    function("http.Post", lambda url, *_: _answer("POST", url), str, ANY, ANY),
    function("http.Client", _refused("http.Client", _NEVER), ANY),
    function("image", _image, str),
    function("parseImageReference", _image, str),
    function("isImage", lambda text: images.parse(text) is not None, str, kind="bool"),
    method("registry", _registry, Image, kind="string"),
    method("repository", _repository, Image, kind="string"),
    method("identifier", lambda image: image.parts.digest or image.parts.tag, Image, kind="string"),
    method("tag", lambda image: image.parts.tag, Image, kind="string"),
    method("digest", lambda image: image.parts.digest, Image, kind="string"),
    method("containsDigest", lambda image: bool(image.parts.digest), Image, kind="bool"),
    function("parseServiceAccount", _service_account, str),
    function("user.ParseServiceAccount", _service_account, str),
    function("math.round", _round, (int, float), int),
    function("md5", _hash("md5"), str, kind="string"),
    function("sha1", _hash("sha1"), str, kind="string"),
    function("sha256", _hash("sha256"), str, kind="string"),
    function("hash.md5", _hash("md5"), str, kind="string"),
    function("hash.sha1", _hash("sha1"), str, kind="string"),
    function("hash.sha256", _hash("sha256"), str, kind="string"),
    function("listObjToMap", _list_to_map, LIST, LIST, str, str),
    function("json.unmarshal", _json, str),
    function("yaml.parse", _jmespath("parse_yaml"), str),
    function("time.now", _now),
    function("time.truncate", _truncated, Timestamp, Duration),
    function("time.toCron", _cron, Timestamp, kind="string"),
    function("random", _refused("random", _NEVER)),
    function("random", _refused("random", _NEVER), str),
    function("generator.Apply", _refused("generator.Apply", "only validation is evaluated"), str, LIST),
    function("x509.decode", _refused("x509.decode", "certificates are not decoded"), str),
)


def _aliased(overload: Overload) -> Overload:
    """``resource.get`` beside ``resource.Get``: newer policies spell functions in lower case."""
    room, _, name = overload.name.rpartition(".")
    return msgspec.structs.replace(overload, name=f"{room}.{name[:1].lower()}{name[1:]}")


FUNCTIONS = (
    *_DECLARED,
    *(_aliased(one) for one in _DECLARED if "." in one.name and one.name.rpartition(".")[2][0].isupper()),
)

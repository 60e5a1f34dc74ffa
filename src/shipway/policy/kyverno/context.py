"""What expressions see while a rule is judged: ``request``, ``images``, ``element`` and the entries of ``context``.

Called by ``validation``. Entries are evaluated when they are first needed, in any order, and what a cluster would answer
comes from ``Request.values`` and ``Request.inventory``; without an answer the rule is an error, never a pass.

``Request.values`` may hold: ``variables``, a map of dotted name to value (the values of Kyverno's CLI);
``foreachValues``, a map of name to its values in a loop's order; ``apiCallResponses`` and ``globalContextEntries``, lists as in ``kyverno-test.yaml``; ``namespace``, the default namespace.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from shipway.policy.kyverno import expressions, images, pods, resources, variables
from shipway.policy.kyverno.faults import NoData, RuleFault, Unresolved
from shipway.policy.rules import Request

MOST_NESTED = 30
"""Context entries that need each other in a row."""
_PART = re.compile(r'"([^"]+)"|([^.]+)')
_ROOTS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Context:
    """The data of one request for one rule. Not shared between rules: entries and elements come and go."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._data: dict[str, Any] | None = None
        self._pending: dict[str, Mapping[str, Any]] = {}
        self._loading: list[str] = []
        self.sources: dict[str, Mapping[str, Any]] = {}
        """Context entries as they were declared, by name."""

    @property
    def data(self) -> dict[str, Any]:
        """What expressions see; made when the first one asks, which for many rules is never."""
        if self._data is None:
            self._data = _data(self.request)
        return self._data

    def query(self, expression: str) -> Any:
        """The value of an expression; loads the entries that it names.

        Names are found by their spelling, so an entry that cannot be loaded counts only when no value comes out.
        """
        faults = self._load_named(expression)
        try:
            found = expressions.evaluate(expression, self.data, self.request.at)
        except RuleFault:
            if faults:
                raise faults[0] from None
            raise
        if found is None and faults:
            raise faults[0]
        return found

    def _load_named(self, expression: str) -> list[RuleFault]:
        faults: list[RuleFault] = []
        for name in _ROOTS.findall(expression) if self._pending else ():
            try:
                self._load(name)
            except RuleFault as fault:
                faults.append(fault)
        return faults

    def resolve(self, value: object) -> Any:
        """``value`` with its variables replaced; raises :class:`Unresolved` where one has no value."""
        return variables.substitute(value, self.query)

    def lenient(self, value: object) -> Any:
        """As :meth:`resolve`, but what has no value is null, as in conditions."""
        return variables.substitute(value, self.query, lenient=True)

    @contextmanager
    def scope(self, **names: object) -> Iterator[None]:
        """Names (``element``) and entries added within are gone afterwards."""
        self._settle(names)
        data, pending = dict(self.data), dict(self._pending)
        self.data.update(names)
        try:
            yield
        finally:
            self._data, self._pending = data, pending

    def _settle(self, names: Mapping[str, object]) -> None:
        """Before an inner loop takes a name, load what is to see the outer one's."""
        if self._pending and names.keys() & self.data.keys():
            for name in list(self._pending):
                with suppress(RuleFault):
                    self._load(name)

    def per_element(self) -> Mapping[str, Sequence[Any]]:
        """Values of names for each element of a loop, in the order of its elements."""
        found = self.request.values.get("foreachValues")
        return found if isinstance(found, Mapping) else {}

    def declare(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Make context entries known. A later one of the same name replaces an earlier."""
        given = {**_given(self.request), **self.per_element()}
        for entry in entries:
            name = str(entry.get("name", ""))
            mocked = name in given or any(key.startswith(f"{name}.") for key in given)
            if "variable" in entry or not mocked:
                if name in self._pending:
                    self._load(name)
                self._pending[name] = self.sources[name] = entry

    def _load(self, name: str) -> None:
        entry = self._pending.pop(name, None)
        if entry is None:
            return
        if len(self._loading) >= MOST_NESTED:
            raise RuleFault(f"context entries need each other more than {MOST_NESTED} deep")
        self._loading.append(name)
        try:
            self.data[name] = self._evaluate(entry)
        except RuleFault:
            if name not in self.data:
                self._pending[name] = entry
                raise
        finally:
            self._loading.pop()

    def _evaluate(self, entry: Mapping[str, Any]) -> Any:
        for kind, evaluate in _ENTRIES.items():
            if isinstance(entry.get(kind), Mapping):
                return evaluate(self, str(entry["name"]), entry[kind])
        raise RuleFault(f"the context entry `{entry.get('name')}` has no source that is supported")


def _data(request: Request) -> dict[str, Any]:
    """What every rule starts from."""
    shown = request.object if request.object is not None else request.old_object
    data: dict[str, Any] = {"request": _request(request, shown or {})}
    user = str(request.user_info.get("username") or "")
    prefix, _, account = user.partition("system:serviceaccount:")
    namespace, _, name = account.partition(":") if not prefix else ("", "", "")
    data |= {"serviceAccountName": name, "serviceAccountNamespace": namespace}
    found = pods.spec_of(shown or {})
    if found is not None and (of_pod := images.of_pod(found[1], "/" + "/".join(map(str, found[0])))):
        data["images"] = of_pod
    for name, value in _given(request).items():
        put(data, split_name(name), value)
    return data


def _request(request: Request, shown: Mapping[str, Any]) -> dict[str, Any]:
    group, _, version = str(shown.get("apiVersion", "")).rpartition("/")
    metadata = shown.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    user = request.user_info
    facts = {
        "object": None if request.object is None else dict(request.object),
        "oldObject": None if request.old_object is None else dict(request.old_object),
        "operation": request.operation,
        "kind": {"group": group, "version": version, "kind": shown.get("kind", "")},
        "name": metadata.get("name") or metadata.get("generateName", ""),
        "namespace": metadata.get("name", "") if shown.get("kind") == "Namespace" else metadata.get("namespace", ""),
        "userInfo": {key: value for key, value in user.items() if key not in {"roles", "clusterRoles"}},
        "roles": list(user.get("roles") or ()),
        "clusterRoles": list(user.get("clusterRoles") or ()),
        "dryRun": request.dry_run,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _given(request: Request) -> Mapping[str, Any]:
    given = request.values.get("variables")
    return given if isinstance(given, Mapping) else {}


def split_name(name: str) -> list[str]:
    """Parts of a dotted name; one in double quotes may hold dots."""
    return [quoted or plain for quoted, plain in _PART.findall(name)] or [name]


def put(data: dict[str, Any], parts: Sequence[str], value: object) -> None:
    """Write at a dotted name without touching what the request itself holds."""
    for part in parts[:-1]:
        below = data.get(part)
        data[part] = dict(below) if isinstance(below, Mapping) else {}
        data = data[part]
    data[parts[-1]] = value


def _variable(context: Context, name: str, source: Mapping[str, Any]) -> Any:
    default = source.get("default")
    found: Any = None
    try:
        if "value" in source:
            found = context.resolve(source["value"])
        if source.get("jmesPath"):
            path = str(context.resolve(source["jmesPath"]))
            at = context.request.at
            found = expressions.evaluate(path, found, at) if "value" in source else context.query(path)
    except NoData:
        raise
    except RuleFault:
        if "default" not in source:
            raise
        found = None
    if found is None:
        found = context.resolve(default)
    if found is None:
        raise Unresolved(f"the variable `{name}` has no value and no default")
    return found


def _config_map(context: Context, name: str, source: Mapping[str, Any]) -> Any:
    wanted = str(context.resolve(source.get("name", "")))
    namespace = str(context.resolve(source.get("namespace") or "default"))
    for item in context.request.inventory:
        metadata = item.get("metadata") or {}
        if (
            item.get("kind") == "ConfigMap"
            and metadata.get("name") == wanted
            and metadata.get("namespace", "default") == namespace
        ):
            return _parsed_data(item)
    raise NoData(f"no data for the context entry `{name}`: the ConfigMap {namespace}/{wanted} is not given")


def _parsed_data(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": dict(item.get("data") or {}), "metadata": dict(item.get("metadata") or {})}


def _api_call(context: Context, name: str, source: Mapping[str, Any]) -> Any:
    service = source.get("service")
    url = str(context.resolve(service.get("url", "") if isinstance(service, Mapping) else source.get("urlPath", "")))
    method = str(source.get("method") or "GET").upper()
    for answer in context.request.values.get("apiCallResponses") or ():
        if answer.get("url", answer.get("urlPath")) == url and str(answer.get("method") or method).upper() == method:
            return _projected(context, source, (answer.get("response") or {}).get("body"))
    found = (
        resources.answer(context.request.inventory, url)
        if method == "GET" and not isinstance(service, Mapping)
        else None
    )
    if found is not None:
        return _projected(context, source, found)
    if "default" in source:
        return context.resolve(source["default"])
    raise NoData(f"no data for the context entry `{name}`: no answer is given for {method} {url}")


def _global_reference(context: Context, name: str, source: Mapping[str, Any]) -> Any:
    wanted = str(context.resolve(source.get("name", "")))
    entry, _, projection = wanted.partition(".")
    for given in context.request.values.get("globalContextEntries") or ():
        if given.get("name") == entry:
            return _projected(context, source, global_entry(given, projection, context.request.at))
    raise NoData(f"no data for the context entry `{name}`: the global context entry `{wanted}` is not given")


def global_entry(given: Mapping[str, Any], projection: str, at: float) -> Any:
    """The value of a global context entry: its data narrowed by ``fieldPath``, or one of its projections."""
    root: Any = given.get("resources") if given.get("resources") is not None else given.get("data")
    if given.get("fieldPath") and given.get("resources") is None:
        root = expressions.evaluate(str(given["fieldPath"]), root, at)
    projections = {str(one.get("name")): str(one.get("path", "")) for one in given.get("projections") or ()}
    if not projection:
        shown = {name: expressions.evaluate(path, root, at) for name, path in projections.items()}
        return {**root, **shown} if isinstance(root, Mapping) else root
    if projection in projections:
        return expressions.evaluate(projections[projection], root, at)
    raise Unresolved(f"the global context entry `{given.get('name')}` has no projection `{projection}`")


def _projected(context: Context, source: Mapping[str, Any], found: object) -> Any:
    if source.get("jmesPath"):
        found = expressions.evaluate(str(context.resolve(source["jmesPath"])), found, context.request.at)
    if found is None and "default" in source:
        found = context.resolve(source["default"])
    return found


def _image_registry(context: Context, name: str, source: Mapping[str, Any]) -> Any:
    reference = str(context.resolve(source.get("reference", "")))
    for given in context.request.values.get("images") or ():
        if images.normal(str(given.get("image", ""))) == images.normal(reference):
            return _projected(context, source, json.loads(json.dumps(given)))
    raise NoData(f"no data for the context entry `{name}`: the registry's answer for `{reference}` is not given")


_ENTRIES: Mapping[str, Callable[[Context, str, Mapping[str, Any]], Any]] = {
    "variable": _variable,
    "configMap": _config_map,
    "apiCall": _api_call,
    "globalReference": _global_reference,
    "imageRegistry": _image_registry,
}
KINDS = frozenset(_ENTRIES)
"""Sources of context entries that are supported."""

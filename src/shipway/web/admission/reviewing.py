"""One AdmissionReview (``admission.k8s.io/v1``): what was asked to what is answered. Called by ``app`` and by the bench.

Total: whatever is wrong with a review is an answer that does not allow it. A review holds one object and nothing around it:
other objects, and the labels of its Namespace, come from the inventory. Without one, rules about several objects are
skipped, and the answer's audit annotations say so; ``namespaceSelector`` then sees the one label that every namespace has.
What is only known of a release (cost, change windows) is judged before it, and skipped here in the same way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.evaluating import Evaluator
from shipway.policy.facts import Around, is_controller
from shipway.policy.findings import Finding, path_shown
from shipway.policy.releases import Scan
from shipway.policy.rules import NOTHING, Object, Request

MAX_WARNING = 256
"""Characters; clients show warnings on a line, and API servers cut off what is too much."""
_CODES = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}
_TEXTS = ("apiVersion", "kind")
_OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})


class Resource(msgspec.Struct, frozen=True):
    """Plural name and where it belongs."""

    resource: str = ""
    group: str = ""
    version: str = ""


class Asked(msgspec.Struct, frozen=True, rename="camel"):
    """As much of an AdmissionRequest as is looked at."""

    uid: str
    operation: str
    object: dict[str, Any] | None = None
    old_object: dict[str, Any] | None = None
    resource: Resource = Resource()
    sub_resource: str = ""
    user_info: dict[str, Any] = {}
    dry_run: bool = False


class Review(msgspec.Struct, frozen=True, rename="camel"):
    """An AdmissionReview."""

    request: Asked
    api_version: str = "admission.k8s.io/v1"


class Answered(msgspec.Struct, frozen=True):
    """What was decided, for counters, and the body of the answer."""

    body: bytes
    allowed: bool
    operation: str = ""
    findings: Sequence[Finding] = ()
    came: Object | None = None
    """The object that there will be, when it is allowed and no dry run."""
    went: Object | None = None
    """The one that there was."""


NO_INVENTORY = "what else there is was not told: `--inventory DIR` names manifests of it"
NO_RELEASE = "it is about a release, which `plan`, `policy check` and `deploy` judge; a review is about an object"
_decoder = msgspec.json.Decoder(Review)
_raw = msgspec.json.Decoder(dict[str, Any])


def review(
    body: bytes, evaluator: Evaluator, at: float, scan: Scan | None = None, around: Around | None = None
) -> Answered:
    """Answer a review. ``at`` is now, in seconds since the epoch; ``scan`` finds secrets in the object.

    ``around`` is what else there is, as far as anybody has said; None: nobody has.

    Raises:
        ValueError: the body is no AdmissionReview, so there is no uid to answer to.
    """
    try:
        asked = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"expected an AdmissionReview of admission.k8s.io/v1: {error}") from None
    if asked.api_version != "admission.k8s.io/v1":
        raise ValueError(f"expected admission.k8s.io/v1, got {asked.api_version[:60]}")
    request = asked.request
    if request.operation not in _OPERATIONS:
        raise ValueError(f"expected CREATE, UPDATE, DELETE or CONNECT, got {request.operation[:60]}")
    if not all(
        isinstance(one.get(key, ""), str) for one in (request.object, request.old_object) if one for key in _TEXTS
    ):
        raise ValueError("expected an object whose apiVersion and kind are text")
    findings = evaluator.evaluate(_request(request, body, at, around), passes=False)
    if scan is not None and request.object is not None and evaluator.rules_for("SecretScan"):
        scanned = scan(request.object)
        if scanned is not None and scanned["spec"]["secrets"]:
            findings += evaluator.evaluate(Request(object=scanned, at=at), passes=False)
    if request.object is not None and not request.sub_resource and is_controller(request.object):
        findings += _about_workload(request.object, evaluator, at, around)
    return _answer(request, findings)


def _about_workload(value: Object, evaluator: Evaluator, at: float, around: Around | None) -> list[Finding]:
    """What rules say that need more than the object: those about what belongs to it, and those about its release."""
    found = evaluator.skipped("Delivery", value, NO_RELEASE)
    if around is None:
        return found + evaluator.skipped("Workload", value, NO_INVENTORY)
    if evaluator.rules_for("Workload"):
        fact = around.workload(value, evaluator.environment)
        found += evaluator.evaluate(Request(object=fact, at=at), passes=False)
    return found


def _request(asked: Asked, body: bytes, at: float, around: Around | None) -> Request:
    resource = asked.resource.resource
    return Request(
        object=asked.object,
        old_object=asked.old_object,
        operation=asked.operation,  # type: ignore[arg-type]  # checked by review()
        user_info=asked.user_info,
        at=at,
        dry_run=asked.dry_run,
        inventory=around.objects if around else (),
        alone=around is None,
        namespace_object=around.namespace(asked.object or asked.old_object or NOTHING) if around else None,
        resource=f"{resource}/{asked.sub_resource}" if asked.sub_resource else resource,
        admission=_Lazy(body),
    )


class _Lazy(Mapping[str, Any]):
    """The AdmissionRequest as it was sent, decoded again only for policies that look at it."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._data: dict[str, Any] | None = None

    def __bool__(self) -> bool:
        return True

    def _read(self) -> dict[str, Any]:
        if self._data is None:
            self._data = _raw.decode(self._body)["request"]
        return self._data

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __iter__(self) -> Any:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _answer(asked: Asked, findings: Sequence[Finding]) -> Answered:
    denied = [one for one in findings if one.refuses]
    response: dict[str, Any] = {"uid": asked.uid, "allowed": not denied}
    if denied:
        reason = denied[0].reason or "Forbidden"
        text = "; ".join(_sentence(one) for one in denied)
        response["status"] = {"code": _CODES.get(reason, 403), "reason": reason, "message": text}
    warnings = [_sentence(one)[:MAX_WARNING] for one in findings if one.status == "warn" or _is_tolerated(one)]
    if warnings:
        response["warnings"] = warnings
    notes = _notes(findings)
    if notes:
        response["auditAnnotations"] = notes
    data = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    came, went = (None, None) if denied or asked.dry_run or asked.sub_resource else (asked.object, asked.old_object)
    return Answered(msgspec.json.encode(data), not denied, asked.operation, findings, came, went)


def _is_tolerated(finding: Finding) -> bool:
    """An error that refuses nothing must still be seen."""
    return finding.status == "error" and not finding.refuses and finding.action != "audit"


def _notes(findings: Sequence[Finding]) -> Mapping[str, str]:
    """What goes into the API server's audit event: policies' own annotations, and what is only audited."""
    if not findings:
        return NOTHING
    notes: dict[str, str] = {}
    for one in findings:
        key = one.rule.replace("/", ".")[-63:]
        for name, value in one.annotations.items():
            notes[f"{key}.{name}"[-63:]] = value
        if one.status in ("fail", "error") and not one.refuses:
            notes[key] = one.message
    return notes


def _sentence(finding: Finding) -> str:
    """What was said, then where, what is there (hidden for Secrets) and what may be."""
    found = f" = {finding.found}" if finding.found else ""
    details = [f"{path_shown(finding.path)}{found}"] if finding.path else []
    details += [f"allowed: {finding.allowed}"] if finding.allowed else []
    return f"{finding.rule}: {finding.message}" + (f" ({'; '.join(details)})" if details else "")

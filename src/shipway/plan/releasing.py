"""An application of an organisation as the releases that policies judge: what it is compiled to, what it costs, what is known.

Called by ``plan``, ``policy check`` and ``policy report`` in ``cli``, and by the service before it lets a release in: one
way from files to a verdict, so that all of them come to the same. There is one release for each cluster of an environment.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipway.cost.estimate import Estimate, cost_facts, estimate
from shipway.cost.prices import PriceBook
from shipway.model.errors import BadInput
from shipway.plan.changes import by_reasons
from shipway.policy.releases import Release, by_provenance
from shipway.policy.rules import NOTHING, Object
from shipway.render.compiling import Compiled, compile_application, compile_organisation
from shipway.render.context import Context, Place
from shipway.render.rendered import Rendered
from shipway.spec import DeclaredApplication, DeclaredPlatform, Source, parse_documents
from shipway.spec.crossing import crossing_problems
from shipway.spec.organisation import Organisation
from shipway.spec.platform import Environment

LOCAL = "local"
"""The environment of a release that names none."""
NO_IMAGE = "it has no image, so that no cluster could run it: it makes no Kubernetes objects"
_NO_PLATFORM = "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: local}\n"


class Known(msgspec.Struct, frozen=True):
    """What somebody has measured of an application in an environment."""

    facts: Mapping[str, Any] = NOTHING
    """``traffic``, ``errorBudget``, ``image``; as :class:`~shipway.policy.releases.Release` has them."""
    unknown: Mapping[str, str] = NOTHING
    """Why something of these is not known."""


Images = Callable[[str], Mapping[str, Any] | str]
"""What an image says of itself, by its reference; a reason when that is not known."""
Knows = Callable[[str, str], Known]
"""Of an application in an environment."""


def nothing_known(_application: str, _environment: str) -> Known:
    """Nobody has measured anything."""
    return Known()


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for the releases, and what he knows."""

    at: float
    """In seconds since the epoch."""
    book: PriceBook
    by: str = ""
    knows: Knows = nothing_known
    images: Images = lambda _reference: "nobody has looked at it"
    around: Callable[[str, str], Sequence[Object]] = lambda _environment, _cluster: ()
    """Everything on a cluster, for rules that look at other objects."""


def releases(
    organisation: Organisation, name: str, environment: str, asking: Asking, compiled: Sequence[Compiled] = ()
) -> Iterator[Release]:
    """The releases of an application in an environment; ``compiled`` is what was compiled of it already."""
    known = {one.cluster: one for one in compiled}
    everywhere = [
        known.get(cluster) or Compiled(environment, cluster, name, _objects(organisation, name, environment, cluster))
        for cluster in organisation.clusters(environment)
    ]
    application = organisation.application(name, environment)
    costs = cost_facts([estimated(organisation, asking.book, one) for one in everywhere], application.spec.budget)
    found = _known(asking, name, environment, application.spec.image)
    for one in everywhere:
        yield Release(
            document=application.document(),
            declared=organisation.declared[name],
            environment=environment,
            at=asking.at,
            by=asking.by,
            objects=[(each.object, by_provenance(by_reasons(each.provenance))) for each in one.objects],
            known={**found.facts, "cost": {**costs, **found.facts.get("cost", NOTHING)}},
            unknown={**found.unknown, **_uncosted(costs)},
            around=asking.around(environment, one.cluster),
        )


def released_alone(
    one: DeclaredApplication,
    around: Mapping[str, DeclaredApplication],
    platform: DeclaredPlatform | None,
    environment: str,
    asking: Asking,
) -> tuple[list[Release], str]:
    """The releases of an application outside of an organisation, and why it is compiled to nothing (empty: it is not).

    ``around`` are the applications that it may call, itself among them. The environment may be empty, or unknown to the
    Platform.
    """
    name, where = one.application.metadata.name, environment or LOCAL
    organisation = standing_in(platform, where, around)
    why = obstacle(organisation, name, where)
    if why:
        return [uncompiled(one, organisation.application(name, where).document(), environment, asking, why)], why
    made = releases(organisation, name, where, asking)
    return [msgspec.structs.replace(each, environment=environment) for each in made], ""


def objects_on(organisation: Organisation, environment: str, cluster: str) -> tuple[Object, ...]:
    """Every object on a cluster."""
    everything = compile_organisation(organisation, environment)
    return tuple(each.object for one in everything if one.cluster == cluster for each in one.objects)


def uncompiled(
    declared: DeclaredApplication, document: Mapping[str, Any], environment: str, asking: Asking, reason: str
) -> Release:
    """The release of an application that is compiled to nothing, and why."""
    found = _known(asking, declared.application.metadata.name, environment, declared.application.spec.image)
    return Release(
        document=document,
        declared=declared,
        environment=environment,
        at=asking.at,
        by=asking.by,
        known=found.facts,
        unknown={**found.unknown, "objects": reason, "cost.monthly": reason},
    )


def estimated(organisation: Organisation, book: PriceBook, one: Compiled) -> Estimate:
    """What an application will cost on a cluster."""
    prices = book.at(one.cluster, organisation.clusters(one.environment)[one.cluster])
    return estimate(one.application, one.environment, one.cluster, [each.object for each in one.objects], prices)


def standing_in(
    platform: DeclaredPlatform | None, environment: str, declared: Mapping[str, DeclaredApplication]
) -> Organisation:
    """An organisation for applications that are released without one: on one machine, or from the past.

    Where the Platform has no such environment (or there is no Platform) it gets one with a single cluster.
    """
    known = platform or _no_platform()
    environments = known.platform.spec.environments
    if environment not in environments:
        spec = known.platform.spec.model_copy(update={"environments": {**environments, environment: _PLAIN}})
        whole = known.platform.model_copy(update={"spec": spec})
        data = {**known.data, "spec": {**known.data.get("spec", {})}}
        data["spec"]["environments"] = {**data["spec"].get("environments", {}), environment: {}}
        known = DeclaredPlatform(known.file, known.node, data, whole)
    return Organisation(known, dict(sorted(declared.items())))


_PLAIN = Environment(production=False)


def obstacle(organisation: Organisation, name: str, environment: str) -> str:
    """Why an application cannot be compiled; empty when it can."""
    declared = organisation.declared[name]
    if organisation.application(name, environment).spec.image is None:
        return NO_IMAGE
    only = organisation.declared_platform
    here = {one: settings for one, settings in only.platform.spec.environments.items() if one == environment}
    spec = only.platform.spec.model_copy(update={"environments": here})
    narrow = DeclaredPlatform(only.file, only.node, only.data, only.platform.model_copy(update={"spec": spec}))
    problems = crossing_problems(organisation.declared, narrow, organisation.resolved, frozenset())
    wrong = [one for one in problems if one.severity == "error" and one.file in (declared.file, only.file)]
    return f"it cannot be compiled: {wrong[0]}" if wrong else ""


def _known(asking: Asking, name: str, environment: str, image: str | None) -> Known:
    """What is known of an application, and of its image."""
    found, said = asking.knows(name, environment), asking.images(image) if image else {}
    given = found.facts.get("image", NOTHING)
    if isinstance(said, str):
        unknown = {f"image.{key}": said for key in ("created", "size") if key not in given}
        return Known(found.facts, {**unknown, **found.unknown})
    whole = {**said, **given}
    return Known({**found.facts, **({"image": whole} if whole else {})}, found.unknown)


def _no_platform() -> DeclaredPlatform:
    found = parse_documents([Source("", _NO_PLATFORM)]).declared_platform
    if found is None:
        raise BadInput("no Platform")
    return found


def _objects(organisation: Organisation, name: str, environment: str, cluster: str) -> tuple[Rendered, ...]:
    place = Place(organisation, environment, cluster)
    return compile_application(Context(place, organisation.resolved(name, environment)))


def _uncosted(costs: Mapping[str, Any]) -> dict[str, str]:
    reasons = {"cost.monthly": "; ".join(costs.get("unknown", ())), "cost.highest": "; ".join(costs.get("unknown", ()))}
    return {key: why for key, why in reasons.items() if why and key.partition(".")[2] not in costs}

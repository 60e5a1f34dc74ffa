"""``--format argo-rollouts`` and ``--format flagger``: the plain layout with the delivery section in their words.

Beside the objects stands ``translation.md``, with what the controller cannot do, application by application.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from shipway.render import argo, flagger
from shipway.render.compiling import Compiled
from shipway.render.formats import File, plain_yaml
from shipway.render.rendered import Rendered
from shipway.spec.organisation import Organisation

NOTES = "translation.md"

Translate = Callable[[tuple[Rendered, ...]], tuple[Rendered, ...]]
Notes = Callable[[tuple[Rendered, ...]], tuple[str, ...]]


def argo_rollouts(organisation: Organisation, compiled: Iterable[Compiled]) -> Iterator[File]:
    """Everything for Argo Rollouts, and what it cannot do."""
    yield from _files(organisation, compiled, argo.argo_rollouts, argo.notes, "Argo Rollouts")


def flagger_canaries(organisation: Organisation, compiled: Iterable[Compiled]) -> Iterator[File]:
    """Everything for Flagger, and what it cannot do."""
    yield from _files(organisation, compiled, flagger.flagger, flagger.notes, "Flagger")


def _files(
    organisation: Organisation, compiled: Iterable[Compiled], translate: Translate, notes: Notes, controller: str
) -> Iterator[File]:
    said: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in compiled:
        if not one.application:
            yield from plain_yaml(organisation, [one])
            continue
        said[one.application, one.environment] = notes(one.objects)
        yield from plain_yaml(organisation, [msgspec.structs.replace(one, objects=translate(one.objects))])
    yield NOTES, _notes(said, controller).encode()


def _notes(said: dict[tuple[str, str], tuple[str, ...]], controller: str) -> str:
    """What is the same in several environments stands once."""
    lines = [f"# What {controller} cannot do", ""]
    for application in sorted({name for name, _ in said}):
        found: dict[str, list[str]] = {}
        for (name, environment), sentences in said.items():
            for sentence in sentences if name == application else ():
                found.setdefault(sentence, []).append(environment)
        if found:
            lines += [f"## {application}", "", *(f"- {one} ({', '.join(where)})" for one, where in found.items()), ""]
    return "\n".join(lines)

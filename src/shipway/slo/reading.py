"""Files of service levels to plain data: Sloth, OpenSLO and our own form, told apart by what stands in the document.

    parsed = parse([Source("slo.yaml", text)])

Everything wrong is found in one pass and comes back as problems with their lines; nothing is raised for bad input.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from shipway.model.problems import Problem
from shipway.render.slo.levels import ServiceLevel, Window
from shipway.slo import document, openslo, sloth
from shipway.slo.cursor import Cursor
from shipway.spec.application import API_VERSION
from shipway.spec.fields import describe
from shipway.spec.reading import Source, read

Form = Literal["sloth", "sloth-kubernetes", "openslo/v1alpha", "openslo/v1", "shipway"]

_SLOTH_VERSION, _SLOTH_API = "prometheus/v1", "sloth.slok.dev/v1"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One document and the service levels in it."""

    file: str
    line: int
    form: Form
    levels: tuple[ServiceLevel, ...]
    """The valid ones."""
    lines: tuple[int, ...] = ()
    """On which each of them is named."""
    metadata: Mapping[str, object] = {}
    """``metadata`` of a Kubernetes object."""


class Parsed(msgspec.Struct, frozen=True):
    """What a set of files holds."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]

    @property
    def levels(self) -> tuple[ServiceLevel, ...]:
        """All valid service levels."""
        return tuple(level for one in self.documents for level in one.levels)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems that forbid using the files."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def parse(sources: Sequence[Source], window: Window = Window()) -> Parsed:  # noqa: B008  # frozen
    """Read every document of every source. ``window`` is for forms and documents that name none."""
    problems: list[Problem] = []
    documents = [found for source in sources for found in _documents(source, window, problems)]
    problems += _repeated(documents)
    return Parsed(tuple(documents), tuple(problems))


def _documents(source: Source, window: Window, problems: list[Problem]) -> Iterator[Document]:
    nodes, found = read(source)
    problems += [one if one.code != "empty-file" else _empty(source.file) for one in found]
    library = openslo.Library([Cursor(source.file, node, problems) for node in nodes])
    for node in nodes:
        at = Cursor(source.file, node, problems)
        reader = _reader(at, window, library) if at.map(required=True) else None
        if reader is not None:
            form, levels = reader[0], tuple(reader[1])
            metadata = _metadata(at) if form == "sloth-kubernetes" else {}
            lines = _lines(at, levels)
            yield Document(file=source.file, line=node.line, form=form, levels=levels, lines=lines, metadata=metadata)


def _lines(at: Cursor, levels: Sequence[ServiceLevel]) -> tuple[int, ...]:
    """Of the entries that name the levels; of the document where a form names them by itself alone."""
    named: dict[str, list[int]] = {}
    for entries in (at / "slos", at / "spec" / "slos", at / "spec" / "objectives"):
        for index in range(len(entries.node.items or ()) if entries.exists else 0):
            name = (entries / index / "name").node
            named.setdefault(name.text or "", []).append(name.line)
    return tuple(named[level.name].pop(0) if named.get(level.name) else at.line for level in levels)


def _reader(at: Cursor, window: Window, library: "openslo.Library") -> tuple[Form, Iterator[ServiceLevel]] | None:
    api, kind, version = ((at / key).text() for key in ("apiVersion", "kind", "version"))
    readers: dict[tuple[str, str], Callable[[], tuple[Form, Iterator[ServiceLevel]]]] = {
        ("", _SLOTH_VERSION): lambda: ("sloth", sloth.levels(at, sloth.snake, window)),
        (_SLOTH_API, "PrometheusServiceLevel"): lambda: (
            "sloth-kubernetes",
            sloth.levels(at / "spec", sloth.camel, window),
        ),
        (API_VERSION, document.KIND): lambda: ("shipway", document.levels(at, window)),
        ("openslo/v1alpha", "SLO"): lambda: ("openslo/v1alpha", openslo.levels_v1alpha(at, window)),
        ("openslo/v1", "SLO"): lambda: ("openslo/v1", openslo.levels_v1(at, window, library)),
    }
    found = readers.get((api, kind if api else version))
    if found is not None:
        return found()
    if not (api == "openslo/v1" and kind in openslo.KINDS):
        _unknown(at, api, kind, version)
    return None


def _unknown(at: Cursor, api: str, kind: str, version: str) -> None:
    key = "apiVersion" if api else "version"
    got = f"{api} {kind}" if api else version
    expected = (
        "`version: prometheus/v1`, or `apiVersion` and `kind` of sloth.slok.dev/v1 PrometheusServiceLevel, "
        f"openslo/v1 SLO or {API_VERSION} {document.KIND}"
    )
    (at / key).wrong("not-one-of", f"expected {expected}, got {describe(got or None)}")


def _metadata(at: Cursor) -> Mapping[str, object]:
    meta = at / "metadata"
    meta.map(required=True)
    (meta / "name").text(required=True)
    found: dict[str, object] = {key: (meta / key).text() for key in ("name", "namespace") if (meta / key).exists}
    return found | {key: (meta / key).texts() for key in ("labels", "annotations") if (meta / key).exists}


def _empty(file: str) -> Problem:
    return Problem(file, 1, 1, "", "empty-file", "expected service levels of Sloth or OpenSLO, got an empty file")


def _repeated(documents: Sequence[Document]) -> Iterator[Problem]:
    """Rules of the same id would overwrite each other."""
    seen: dict[str, str] = {}
    for one in documents:
        for level, line in zip(one.levels, one.lines, strict=True):
            if level.id in seen:
                message = f"expected each service level once, got {level.id} again; the first is in {seen[level.id]}"
                yield Problem(one.file, line, 1, "", "duplicate", message)
            seen.setdefault(level.id, f"{one.file}:{line}")

"""Files of GitHub's and GitLab's answers, as ``gh api --paginate`` and ``glab api --paginate`` write them. Called by ``dora``.

A file may hold lists, lists of lists (``--slurp``), single objects, or several of these one after the other: pages are written so.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shipway.cli.compiling.documents import read
from shipway.insight.forges import github, gitlab
from shipway.insight.forges.answers import Item
from shipway.insight.forges.history import Imported, imported
from shipway.model.errors import BadInput
from shipway.model.problems import Problem

FORGES = {"github": github.read, "gitlab": gitlab.read}
DEEPEST = 3
"""Lists within lists; more is no answer of a forge."""


def exported(sources: Sequence[str], labels: Sequence[str], *, every_environment: bool) -> Imported:
    """What ``FORGE:FILE`` (or ``FORGE:DIRECTORY`` with ``*.json``) sources hold; files of one forge belong together.

    Raises:
        BadInput: with every problem of every file.
    """
    files: dict[str, list[Path]] = {}
    for source in sources:
        forge, _, name = source.partition(":")
        if forge not in FORGES or not name:
            raise BadInput(f"expected github:FILE or gitlab:FILE for --from, got `{source}`")
        files.setdefault(forge, []).extend(_files(Path(name)))
    found = Imported()
    problems: list[Problem] = []
    for forge, paths in files.items():
        items = [item for path in paths for item in _items(path, problems)]
        history, wrong = FORGES[forge](items, frozenset(label.strip().lower() for label in labels))
        problems += wrong
        one = _named(imported(history, every_environment), paths[0].absolute().parent.name)
        found = Imported(
            found.deployments + one.deployments,
            found.incidents + one.incidents,
            found.leads + one.leads,
            found.notes + tuple(f"{forge}: {note}" for note in one.notes),
        )
    if problems:
        raise BadInput("the exported files cannot be used", problems=problems)
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.json"))
    if not found:
        raise BadInput(f"there is no .json file in {path}")
    return found


def _items(path: Path, problems: list[Problem]) -> Iterator[Item]:
    (source,) = read([path])
    data = source.text if isinstance(source.text, bytes) else source.text.encode()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), 1, 1, "", "no-text", f"it is not UTF-8: {error.reason}"))
        return
    try:
        documents = list(_documents(text))
    except json.JSONDecodeError as error:
        problems.append(Problem(str(path), error.lineno, error.colno, "", "no-json", f"it is no JSON: {error.msg}"))
        return
    except RecursionError:
        problems.append(Problem(str(path), 1, 1, "", "no-json", "it is nested too deeply"))
        return
    for place, value in enumerate(documents):
        yield from _flat(str(path), f"[{place}]" if len(documents) > 1 else "", value, DEEPEST, problems)


def _documents(text: str) -> Iterator[Any]:
    decoder, at = json.JSONDecoder(), 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            return
        value, at = decoder.raw_decode(text, at)
        yield value


def _flat(file: str, path: str, value: object, depth: int, problems: list[Problem]) -> Iterator[Item]:
    if isinstance(value, dict):
        yield Item(file, path, value)
    elif isinstance(value, list) and depth:
        for place, one in enumerate(value):
            yield from _flat(file, f"{path}[{place}]", one, depth - 1, problems)
    else:
        problems.append(Problem(file, 1, 1, path, "no-object", f"expected an object, got {type(value).__name__}"))


def _named(found: Imported, name: str) -> Imported:
    """With the directory's name where the answers do not say which repository they are of."""
    return msgspec.structs.replace(
        found,
        deployments=tuple(
            one if one.application else msgspec.structs.replace(one, application=name) for one in found.deployments
        ),
        incidents=tuple(
            one if one.application else msgspec.structs.replace(one, application=name) for one in found.incidents
        ),
    )

"""Verbs that compile an organisation: render, catalog, and why a value is what it is. None of them needs a controller."""

import gc
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from shipway.cli.options import Environments, Json, PlatformDirectory
from shipway.cli.policing.policy import NoPack, Policies

if TYPE_CHECKING:
    from shipway.render.compiling import Admission
    from shipway.spec.organisation import Organisation


def render(
    apps: Annotated[list[str] | None, typer.Argument(metavar="[APP]...", help="Only these applications.")] = None,
    *,
    env: Environments = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="Layout of the files.")] = "yaml",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Replace this directory [default: print].")
    ] = None,
    platform: PlatformDirectory = Path(),
    policies: Policies = None,
    no_pack: NoPack = False,
    json: Json = False,
) -> None:
    """Compile applications to everything that runs them.

    All applications come with the admission policies of their clusters.
    With --out the directory is replaced in one step: afterwards it holds what
    was compiled now, and those files in it that shipway did not write.

    Example: shipway render --env prod --out rendered
    """
    with no_collection():
        files = _files(platform, form, apps, env, Policing(tuple(policies or ()), not no_pack))
        if out is None:
            _print(list(files), json=json)
            return
        from shipway.cli.compiling.replacing import replace
        from shipway.cli.output import show
        from shipway.facts.organisations import apart

        apart(platform, out)
        done = replace(out, files)
    words = f"{out}: {done.files} files; {done.added} new, {done.changed} changed, {done.removed} removed."
    show({"directory": str(out), **done._asdict()}, words, json=json)


def catalog(platform: PlatformDirectory = Path(), json: Json = False) -> None:
    """List the applications of the organisation.

    Example: shipway catalog --platform examples/platform
    """
    from rich.table import Table

    from shipway.cli.output import show
    from shipway.facts.organisations import load

    organisation = load(platform)
    rows = [_row(organisation, name) for name in organisation.declared]
    table = Table("application", "team", "system", "archetype", "environments", "depends on", box=None, pad_edge=False)
    for row in rows:
        cells = list(row.values())[: len(table.columns)]
        table.add_row(*(", ".join(cell) if isinstance(cell, list) else str(cell or "-") for cell in cells))
    show(rows, table, json=json)


class Policing(NamedTuple):
    """Which policies the clusters enforce beside those of the organisation's own directory."""

    others: tuple[Path, ...] = ()
    pack: bool = True


def _files(
    platform: Path, form: str, apps: list[str] | None, env: list[str] | None, policing: Policing
) -> "Iterable[tuple[str, bytes]]":
    """What is asked for. A few applications are remembered: their answer takes less time than reading all the others."""
    from shipway.cli.compiling import remembering
    from shipway.facts.organisations import paths

    key = ""
    if apps:
        with suppress(OSError):  # whoever reads the files says better which one cannot be read
            key = remembering.key(paths(platform), (str(platform), form, apps, env))
        if key and (known := remembering.recall(key)) is not None:
            return known
    from shipway.facts.organisations import load
    from shipway.render.formats import layout
    from shipway.render.truth import compiled

    organisation = load(platform)
    admission = None if apps else _admission(organisation, platform, policing)
    files = layout(form)(organisation, compiled(organisation, apps, env, admission))
    if not key:
        return files
    found = list(files)
    remembering.remember(key, found)
    return found


def _admission(organisation: "Organisation", platform: Path, policing: Policing) -> "Admission":
    from shipway.facts.policies import policies_for
    from shipway.policy.guarding import admission

    return admission(organisation, policies_for(organisation, platform, policing.others, pack=policing.pack))


def _print(files: "list[tuple[str, bytes]]", *, json: bool) -> None:
    """To the screen as it would be in files: a terminal must not break lines of YAML."""
    if json:
        from shipway.cli.output import show

        show([{"path": path, "content": content.decode()} for path, content in files], "", json=True)
    else:
        sys.stdout.write("".join(f"# {path}\n{content.decode()}" for path, content in files))


@contextmanager
def no_collection() -> "Iterator[None]":
    """Trees have no cycles, and looking for some in an organisation of thousands takes as long as all the rest."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _row(organisation: "Organisation", name: str) -> dict[str, object]:
    application = organisation.declared[name].application
    metadata, spec = application.metadata, application.spec
    return {
        "application": name,
        "team": metadata.team,
        "system": metadata.system,
        "archetype": spec.archetype,
        "environments": [one for one in organisation.environments if application.runs_in(one)],
        "dependsOn": [_dependency(one.model_dump(mode="json")) for one in spec.depends_on],
        "description": metadata.description,
        "file": organisation.declared[name].file,
    }


def _dependency(written: object) -> str:
    if not isinstance(written, dict):
        return str(written)
    return " ".join(next(iter(written.items())))


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

"""Finds and reads the files of an organisation. Used by the verbs that compile; there is no other place that knows the layout."""

import codecs
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.model.errors import BadInput

if TYPE_CHECKING:
    from shipway.spec.organisation import Organisation

POLICIES = "policies"
"""Directory beside the Platform with the organisation's own policies, in whatever language."""
_OURS = re.compile(rb"""apiVersion["']?\s*:\s*["']?shipway\.dev/""")
"""In every document of ours. A directory may hold other YAML as well, and policies that have annotations of ours."""
OWNED = ".shipway-owned.json"
"""Names of the files in the directory that we wrote, and that we may therefore remove."""


def load(directory: Path, *, compiling: bool = True) -> "Organisation":
    """The organisation below ``directory``: every YAML file that has a document of ours, hidden folders left out.

    Who asks for teams and budgets alone is not ``compiling``: an application may then be one that runs on this machine only.

    Raises:
        BadInput: anything is wrong with it; carries every problem of every file.
    """
    from shipway.spec.crossing import NO_IMAGE
    from shipway.spec.organisation import read_organisation

    organisation, problems = read_organisation(sources(directory))
    wrong = [one for one in problems if one.severity == "error" and (compiling or one.code != NO_IMAGE)]
    if organisation is None or wrong:
        raise BadInput(f"the organisation in {directory} cannot be used", problems=problems if compiling else wrong)
    return organisation


def sources(directory: Path) -> list["Source"]:
    """The files, named as a person in the current directory would; those of its policies are read by whoever judges.

    Raises:
        BadInput: there is no such directory, nothing of ours in it, or a file cannot be read.
    """
    from shipway.facts.files import read

    policies = directory / POLICIES
    wanted = [path for path in paths(directory) if policies not in path.parents]
    found = [source for source in read(wanted) if _ours(source.text)]
    if not found:
        hint = "It needs a Platform and Applications; `--platform DIR` names another directory."
        raise BadInput(f"there is nothing to compile in {directory}", hint=hint)
    return found


def paths(directory: Path) -> list[Path]:
    """Every YAML file below ``directory`` in the order of names, without hidden ones and what ``render --out`` wrote.

    Raises:
        BadInput: there is no such directory.
    """

    if not directory.is_dir():
        raise BadInput(f"{directory} is no directory", hint="Name the directory with the Platform: --platform DIR.")
    found = []
    for where, inner, names in os.walk(directory):
        inner[:] = [one for one in inner if not one.startswith(".") and not Path(where, one, OWNED).exists()]
        found += [Path(where, one) for one in names if one.endswith((".yaml", ".yml")) and not one.startswith(".")]
    return sorted(filter(_is_file, found))


def apart(directory: Path, target: Path) -> None:
    """Make sure that ``target`` may be replaced: what was written there is no part of the organisation from then on.

    Raises:
        BadInput: it holds files of the organisation.
    """

    if not target.is_dir():
        return
    policies, place = directory.resolve() / POLICIES, target.resolve()
    for path in paths(directory):
        where = path.resolve().parents
        if place in where and (policies in where or _ours(path.read_bytes())):
            hint = "Name a directory that is for what is compiled alone, such as `rendered`."
            raise BadInput(f"--out: {target} holds files of the organisation, such as {path}", hint=hint)


def _is_file(path: Path) -> bool:
    """Or cannot be told, and whoever reads it says why. To open a pipe would be to wait for ever."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _ours(text: str | bytes) -> bool:
    raw = text if isinstance(text, bytes) else text.encode()
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raw = raw.decode("utf-16", "replace").encode()  # to be told so, and not to be missing without a word
    return _OURS.search(raw) is not None


if TYPE_CHECKING:
    from shipway.spec import Source

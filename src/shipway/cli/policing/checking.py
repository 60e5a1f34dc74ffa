"""``policy check``: files to findings, over processes when there are many. Knows files and facts; rules are in ``policy``."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from shipway.cli.person import person
from shipway.facts.files import files_below, read_source
from shipway.facts.images import images_in
from shipway.facts.organisations import sources
from shipway.facts.policies import read_policies
from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.policy.guarding import parameters_of
from shipway.policy.judging import Asked, Found, Judging, misspelt
from shipway.policy.loading import Policies
from shipway.spec import Source, parse_documents
from shipway.spec.platform import Platform

MANIFESTS = (".yaml", ".yml", ".json")
STDIN, PIPED = "-", "<stdin>"
"""Standard input on the command line, and in findings."""
FEW = 64
"""Files up to which starting further processes takes longer than reading them."""
CHUNK = 32
"""Files that a process takes at a time."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What to check, against what."""

    paths: tuple[str, ...]
    policies: tuple[str, ...] = ()
    environment: str = ""
    pack: bool = True
    passes: bool = False
    at: float = 0.0
    known: Mapping[str, Any] = {}
    """Facts that nobody can find in the files: cost, traffic, errorBudget, image; by application, or for all."""
    platform: str = ""
    """Directory with the Platform that Applications are compiled for; empty: it is among the paths, or there is none."""
    parameters: Mapping[str, str] = {}
    """Of rules, as the Platform says; worked out by :func:`check`."""
    home: str = ""
    """State directory with what was recorded of Applications."""
    processes: int = 0
    """0: as many as there are cores."""


def check(asked: Check) -> Found:
    """Judge everything that the paths hold.

    Raises:
        BadInput: a path or a policy cannot be used. Problems of single files are in the answer.
    """
    if asked.platform and (platform := parse_documents(sources(Path(asked.platform))).platform) is not None:
        asked = msgspec.structs.replace(asked, parameters=parameters_of(platform))
    policies = _policies(asked)
    judging = _judging(policies, asked)
    files = list(dict.fromkeys(str(file) for path in asked.paths for file in _files(path)))
    judging.take_stock(files)
    processes = min(asked.processes or os.cpu_count() or 1, -(-len(files) // FEW))
    if processes > 1:
        chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
        _workers[:] = [judging]  # inherited where processes are forked, made anew elsewhere
        with ProcessPoolExecutor(processes, initializer=_start, initargs=(asked,)) as pool:
            for part in pool.map(_judge_files, chunks):
                judging.found.add(part)
    else:
        judging.files(files)
    judging.relations()
    found = judging.found
    if not _applications(asked, policies, judging):  # with which exceptions are judged
        judging.exceptions()
    found.problems += [*misspelt(policies), *policies.warnings]
    found.findings.sort(key=lambda one: (one.place.file, one.place.line, one.place.column, one.rule))
    return found


def _files(path: str) -> Iterator[Path]:
    return iter((Path(STDIN),)) if path == STDIN else files_below(Path(path), MANIFESTS)


_workers: "list[Judging]" = []
"""Of this process, when it is one of several."""


def _start(asked: Check) -> None:
    if not _workers:
        worker = _judging(_policies(asked), asked)
        worker.take_stock([str(file) for path in asked.paths for file in _files(path)])
        _workers.append(worker)


def _judging(policies: Policies, asked: Check) -> Judging:
    return Judging(policies, Asked(environment=asked.environment, passes=asked.passes, at=asked.at), _reader())


def _reader() -> Callable[[str], Source]:
    """Reads files as often as they are asked for, and standard input once."""

    @cache
    def stdin() -> Source:
        return Source(PIPED, sys.stdin.buffer.read())

    # Under the name that findings have of it, too: rules about several objects look up where these are written.
    return lambda file: stdin() if file in (STDIN, PIPED) else read_source(Path(file))


def _applications(asked: Check, policies: Policies, judging: Judging) -> int:
    """Judges Applications: as they are in the environments, what they are compiled to, and what is known about releasing them."""
    given, wrong = judging.ours()
    judging.found.problems += wrong
    if not given:
        return 0
    # Imported here: what compiles Applications and reads the journal takes as long to import as 2,000 objects to judge.
    from shipway.cli.policing.known import knowledge
    from shipway.plan.applying import Applying, applied

    def policies_on(platform: Platform | None) -> Policies:
        said = parameters_of(platform) if platform else {}
        if said == asked.parameters:
            return policies
        return read_policies([Path(one) for one in asked.policies], pack=asked.pack, parameters=said)

    found = applied(
        Applying(
            sources=given,
            organisation=_beside(asked, given),
            platform=asked.platform,
            environment=asked.environment,
            policies=policies_on,
            passes=asked.passes,
            at=asked.at,
            by=person(),
            given=asked.known,
            knows=knowledge(Path(asked.home), asked.at),
            images=images_in(Path(asked.home)),
        )
    )
    judging.found.problems += found.problems
    judging.found.objects += found.applications
    judging.found.findings += found.findings
    judging.found.quiet += found.quiet
    return found.applications


def _beside(asked: Check, given: Sequence[Source]) -> list[Source]:
    """The files of the organisation that are not among those to be judged anyway."""
    known = {os.path.realpath(one.file) for one in given}
    found = sources(Path(asked.platform)) if asked.platform else []
    return [one for one in found if os.path.realpath(one.file) not in known]


def _policies(asked: Check) -> Policies:
    return read_policies([Path(one) for one in asked.policies], pack=asked.pack, parameters=asked.parameters)


def _judge_files(files: Sequence[str]) -> Found:
    (worker,) = _workers
    worker.found = Found()
    worker.files(files)
    return worker.found


def refuse_problems(problems: Iterable[Problem]) -> None:
    """Raise BadInput when files could not be read: what was not judged must not pass."""
    errors = [one for one in problems if one.severity == "error"]
    if errors:
        raise BadInput("files cannot be used", problems=errors)

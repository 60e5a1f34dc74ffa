"""``policy check``: files to findings, over processes when there are many. Knows files and facts; rules are in ``policy``."""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from shipway.cli.compiling.guarding import parameters_of
from shipway.cli.compiling.organisations import sources
from shipway.cli.policing.policies import Locating, Policies, files_below, read_policies, read_source
from shipway.cli.policing.scanning import scan
from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.policy import facts
from shipway.policy.enforcing import unknown_rules
from shipway.policy.evaluating import Locate
from shipway.policy.findings import Finding, Summary, summary
from shipway.policy.releases import exceptions
from shipway.policy.rules import Object, Place, Request, Status
from shipway.policy.rules import Path as ValuePath
from shipway.spec import Source, parse_documents
from shipway.spec.manifests import Manifest, Positions, read_manifests
from shipway.spec.platform import Platform
from shipway.spec.policies import parse_policy_sets

MANIFESTS = (".yaml", ".yml", ".json")
STDIN = "-"
FEW = 64
"""Files up to which starting further processes takes longer than reading them."""
CHUNK = 32
"""Files that a process takes at a time."""
_OURS = "shipway.dev/"


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


class Related(msgspec.Struct, frozen=True):
    """An object that rules about several objects need to know of."""

    outline: Object
    file: str
    document: int
    item: int


class Found(msgspec.Struct):
    """What came out of some files."""

    findings: list[Finding] = []
    quiet: Counter[Status] = msgspec.field(default_factory=Counter)
    """Passes and skips that are not among the findings."""
    problems: list[Problem] = []
    related: list["Related"] = []
    ours: list[str] = []
    """Files with documents of Shipway's own."""
    files: int = 0
    objects: int = 0

    @property
    def summary(self) -> Summary:
        """How many there are of each status."""
        return summary(self.findings) + Summary(passed=self.quiet["pass"], skipped=self.quiet["skip"])

    def add(self, other: "Found") -> None:
        """Take in what came out of others."""
        self.findings += other.findings
        self.quiet += other.quiet
        self.problems += other.problems
        self.related += other.related
        self.ours += other.ours
        self.files += other.files
        self.objects += other.objects


def check(asked: Check) -> Found:
    """Judge everything that the paths hold.

    Raises:
        BadInput: a path or a policy cannot be used. Problems of single files are in the answer.
    """
    if asked.platform and (platform := parse_documents(sources(Path(asked.platform))).platform) is not None:
        asked = msgspec.structs.replace(asked, parameters=parameters_of(platform))
    policies = _policies(asked)
    judging = Judging(policies, asked)
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
    judging.ours()
    judging.exceptions()
    found = judging.found
    found.problems += [*_misspelt(policies), *policies.warnings]
    found.findings.sort(key=lambda one: (one.place.file, one.place.line, one.place.column, one.rule))
    return found


def _files(path: str) -> Iterator[Path]:
    return iter((Path(STDIN),)) if path == STDIN else files_below(Path(path), MANIFESTS)


_workers: "list[Judging]" = []
"""Of this process, when it is one of several."""


def _start(asked: Check) -> None:
    if not _workers:
        worker = Judging(_policies(asked), asked)
        worker.take_stock([str(file) for path in asked.paths for file in _files(path)])
        _workers.append(worker)


def _policies(asked: Check) -> Policies:
    return read_policies([Path(one) for one in asked.policies], pack=asked.pack, parameters=asked.parameters)


def _judge_files(files: Sequence[str]) -> Found:
    (worker,) = _workers
    worker.found = Found()
    worker.files(files)
    return worker.found


class Judging:
    """Judges files one by one and keeps what comes out."""

    def __init__(self, policies: Policies, asked: Check) -> None:
        self._policies, self._asked = policies, asked
        self._evaluator = policies.evaluator(asked.environment)
        self._relates = bool(self._evaluator.rules_for("Workload"))
        self._scans = bool(self._evaluator.rules_for("SecretScan"))
        self._inventory: tuple[Object, ...] = ()
        self._stdin: Source | None = None
        self._last = "", Positions(Source("", ""))
        """The file that was last asked about: questions about one come together."""
        self._applied = False
        """Whether Applications were judged, and exceptions with them."""
        self.found = Found()

    def files(self, files: Sequence[str]) -> None:
        """Every object of these files, each on its own."""
        for file in files:
            source = self._source(file)
            manifests, problems = read_manifests(source)
            self.found.files += 1
            if any(str(one.data.get("apiVersion", "")).startswith(_OURS) for one in manifests):
                self.found.ours.append(file)
                manifests = [one for one in manifests if not str(one.data.get("apiVersion", "")).startswith(_OURS)]
                problems = [one for one in problems if one.code != "duplicate-key"]  # reported with its document
            self.found.problems += problems
            positions = Positions(source)
            for one in manifests:
                self._object(source.file, one, positions)

    def take_stock(self, files: Sequence[str]) -> None:
        """Read every object first, for rules that may look up others: those in Rego and Kyverno's."""
        if any(rule.engine != "cel" for rule, _ in self._evaluator.rules):
            found = (one.data for file in files for one in read_manifests(self._source(file))[0])
            self._inventory = tuple(one for one in found if not str(one.get("apiVersion", "")).startswith(_OURS))

    def _object(self, file: str, manifest: Manifest, positions: Positions) -> None:
        value, locate = manifest.data, Locating(file, manifest, positions)
        self.found.objects += 1
        self.judge(value, locate)
        if self._relates and value.get("kind") in facts.RELATED:
            self.found.related.append(Related(facts.outline(value), file, manifest.document, manifest.item))
        if self._scans:
            self._secrets(value, locate)

    def _secrets(self, value: Object, locate: Locate) -> None:
        scanned = scan(value)
        if scanned is not None:
            # A finding about the n-th secret points to the value that it was found in.
            self.judge(scanned, lambda path: locate(facts.scanned_at(scanned, path)))

    def judge(self, value: Object, locate: Locate | None) -> None:
        """One object or fact."""
        request = Request(object=value, at=self._asked.at, inventory=self._inventory)
        self.found.findings += self._evaluator.evaluate(
            request, locate, passes=self._asked.passes, counts=self.found.quiet
        )

    def relations(self) -> None:
        """Rules about several objects at once: whether a workload has what belongs to it."""
        known = {id(one.outline): one for one in self.found.related}
        for fact, about in facts.workloads([one.outline for one in self.found.related], self._asked.environment):
            related = known[id(about)]
            self.judge(fact, lambda _path, related=related: self._place(related, ("metadata", "name")))  # type: ignore[misc]  # mypy cannot infer defaults of lambdas

    def _place(self, related: Related, path: ValuePath) -> Place:
        if related.file != self._last[0]:
            self._last = related.file, Positions(self._source(related.file))
        return Locating(related.file, Manifest({}, related.document, related.item), self._last[1])(path)

    def exceptions(self) -> None:
        """Rules about exceptions: has one outlived its date?"""
        for fact, locate in (
            () if self._applied else exceptions(self._policies.sets, self._asked.environment, self._asked.at)
        ):
            self.judge(fact, locate)

    def ours(self) -> None:
        """Applications: as they are in the environments, what they are compiled to, and what is known about releasing them."""
        _, wrong = parse_policy_sets([self._source(file) for file in self.found.ours if self._is_policy_set(file)])
        self.found.problems += wrong
        sources = [self._source(file) for file in self.found.ours if not self._is_policy_set(file)]
        if not sources:
            return
        # Imported here: what compiles Applications and reads the journal takes as long to import as 2,000 objects to judge.
        from shipway.cli.policing.applying import Applying, applied

        found = applied(
            Applying(
                sources=sources,
                platform=Path(self._asked.platform) if self._asked.platform else None,
                environment=self._asked.environment,
                policies=self._policies_on,
                passes=self._asked.passes,
                at=self._asked.at,
                given=self._asked.known,
                home=Path(self._asked.home),
            )
        )
        self._applied = found.applications > 0
        self.found.problems += found.problems
        self.found.objects += found.applications
        self.found.findings += found.findings
        self.found.quiet += found.quiet

    def _policies_on(self, platform: Platform | None) -> Policies:
        said = parameters_of(platform) if platform else {}
        if said == self._asked.parameters:
            return self._policies
        return read_policies([Path(one) for one in self._asked.policies], pack=self._asked.pack, parameters=said)

    def _is_policy_set(self, file: str) -> bool:
        manifests, _ = read_manifests(self._source(file))
        return any(one.data.get("kind") in ("PolicySet", "PolicyTest") for one in manifests)

    def _source(self, file: str) -> Source:
        if file != STDIN:
            return read_source(Path(file))
        if self._stdin is None:
            self._stdin = Source("<stdin>", sys.stdin.buffer.read())
        return self._stdin


def _misspelt(policies: Policies) -> list[Problem]:
    """Warnings about names in PolicySets that fit no rule: something is not enforced that should be."""
    file = policies.declared[0].file if policies.declared else ""
    return [
        Problem(file, 0, 0, "spec", "unknown-rule", f"no rule here is called `{name}`", "warning")
        for name in unknown_rules(policies.sets, policies.rules)
    ]


def refuse_problems(problems: Iterable[Problem]) -> None:
    """Raise BadInput when files could not be read: what was not judged must not pass."""
    errors = [one for one in problems if one.severity == "error"]
    if errors:
        raise BadInput("files cannot be used", problems=errors)

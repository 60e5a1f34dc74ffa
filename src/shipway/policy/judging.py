"""Objects of files judged one by one, and together where a rule asks for that. Called by ``policy check``.

Leaves out Applications, whose files it names: what is judged of them is in :mod:`shipway.plan.applying`.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from shipway.model.problems import Problem
from shipway.policy import facts
from shipway.policy.enforcing import unknown_rules
from shipway.policy.evaluating import Locate
from shipway.policy.findings import Finding, Summary, summary
from shipway.policy.loading import Locating, Policies
from shipway.policy.releases import exceptions
from shipway.policy.rules import Object, Place, Request, Status
from shipway.policy.rules import Path as ValuePath
from shipway.policy.scanning import scan
from shipway.spec import Source
from shipway.spec.manifests import Manifest, Positions, read_manifests
from shipway.spec.policies import parse_policy_sets

_OURS = "shipway.dev/"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How to judge."""

    environment: str = ""
    passes: bool = False
    """Whether findings that pass are wanted too."""
    at: float = 0.0
    """In seconds since the epoch."""


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


class Judging:
    """Judges files one by one and keeps what comes out."""

    def __init__(self, policies: Policies, asked: Asked, read: Callable[[str], Source]) -> None:
        self._policies, self._asked, self._source = policies, asked, read
        self._evaluator = policies.evaluator(asked.environment)
        self._relates = bool(self._evaluator.rules_for("Workload"))
        self._scans = bool(self._evaluator.rules_for("SecretScan"))
        self._inventory: tuple[Object, ...] = ()
        self._last = "", Positions(Source("", ""))
        """The file that was last asked about: questions about one come together."""
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
        for fact, locate in exceptions(self._policies.sets, self._asked.environment, self._asked.at):
            self.judge(fact, locate)

    def ours(self) -> tuple[list[Source], list[Problem]]:
        """(files of ours but PolicySets, what is wrong with those)."""
        sets = [file for file in self.found.ours if self._is_policy_set(file)]
        _, wrong = parse_policy_sets([self._source(file) for file in sets])
        return [self._source(file) for file in self.found.ours if file not in sets], wrong

    def _is_policy_set(self, file: str) -> bool:
        manifests, _ = read_manifests(self._source(file))
        return any(one.data.get("kind") in ("PolicySet", "PolicyTest") for one in manifests)


def misspelt(policies: Policies) -> list[Problem]:
    """Warnings about names in PolicySets that fit no rule: something is not enforced that should be."""
    file = policies.declared[0].file if policies.declared else ""
    return [
        Problem(file, 0, 0, "spec", "unknown-rule", f"no rule here is called `{name}`", "warning")
        for name in unknown_rules(policies.sets, policies.rules)
    ]

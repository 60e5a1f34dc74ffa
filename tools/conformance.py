"""Runs the field's public suites on the policy engines, holds them to their bars and writes docs/conformance.md.

    python -m tools.conformance [--data DIR] [--check]

The data is not in this repository: ``--data``, ``SHIPWAY_CONFORMANCE`` or ``../shared/conformance``. Without it nothing is run,
which is said, and the exit code is 0. ``--check`` writes nothing and exits with 1 when the page is not fresh.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from shipway.testing.conformance import Case, cel, kyverno, pod_security, rego

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"


class Suite(msgspec.Struct, frozen=True):
    """One public suite."""

    title: str
    folder: str
    run: Callable[[Path], list[Case]]
    bars: dict[str, float]
    """Least share of cases that must pass, by the beginning of the name of a part of the suite."""


SUITES = (
    Suite("CEL", "cel", cel.run, {"cel-spec": 0.995, "kubernetes": 1.0}),
    Suite("Rego and Gatekeeper", "gatekeeper-library", rego.run, {"gatekeeper-library": 1.0}),
    Suite("Kyverno", "kyverno-policies", kyverno.run, {"kyverno": 0.99}),
    Suite("Pod Security Standards", "pod-security", pod_security.run, {"pod-security": 1.0}),
)
_HEAD = """\
# Conformance

The engines are run on the public suites of the field. `make conformance` does it again and writes this page; every case
that fails is listed with its cause. The suites here are about two thirds of the published ones.

| suite | part | cases | passed | share | bar |
|---|---|---:|---:|---:|---:|
"""


def data_folder(chosen: str) -> Path:
    """Where the suites are."""
    return Path(chosen or os.environ.get("SHIPWAY_CONFORMANCE") or ROOT.parent / "shared" / "conformance")


def page(found: Sequence[tuple[Suite, list[Case]]]) -> str:
    """The page as Markdown; the same results give the same text."""
    rows = [row for suite, cases in found for row in _rows(suite, cases)]
    failed = [case for _, cases in found for case in cases if not case.passed]
    listed = [f"* `{case.suite}` {case.name}: {_line(case.cause)}" for case in failed]
    return _HEAD + "\n".join([*rows, "", f"## Failures: {len(failed)}", "", *(listed or ["None."])]) + "\n"


def missed(found: Sequence[tuple[Suite, list[Case]]]) -> list[str]:
    """Parts of suites that are below their bar."""
    return [
        f"{part}: {passed} of {total} passed, expected {_share(bar)}"
        for suite, cases in found
        for part, total, passed, bar in _parts(suite, cases)
        if passed < bar * total
    ]


def _parts(suite: Suite, cases: Sequence[Case]) -> list[tuple[str, int, int, float]]:
    parts: dict[str, list[Case]] = {}
    for case in cases:
        parts.setdefault(case.suite, []).append(case)
    return [
        (
            name,
            len(its),
            sum(case.passed for case in its),
            next(bar for beginning, bar in suite.bars.items() if name.startswith(beginning)),
        )
        for name, its in parts.items()
    ]


def _rows(suite: Suite, cases: Sequence[Case]) -> list[str]:
    return [
        f"| {suite.title} | {part} | {total} | {passed} | {_share(passed / total)} | {_share(bar)} |"
        for part, total, passed, bar in _parts(suite, cases)
    ]


def _share(ratio: float) -> str:
    # Rounded down: 99.96 % is not 100 %.
    return f"{int(ratio * 10_000) / 100:g} %"


def _line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 240 else f"{flat[:237]}..."


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code says whether every bar is met (and, with ``--check``, whether the page is fresh)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    data = data_folder(options.data)
    absent = [suite.folder for suite in SUITES if not (data / suite.folder).is_dir()]
    if absent:
        print(f"skipped: no {', '.join(absent)} in {data}; set SHIPWAY_CONFORMANCE")
        return 0
    found = [(suite, suite.run(data / suite.folder)) for suite in SUITES]
    text = page(found)
    stale = not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text
    if stale and not options.check:
        PAGE.write_text(text, encoding="utf-8")
    below = missed(found)
    for line in below:
        print(f"below its bar: {line}")
    if stale and options.check:
        print(f"stale: {PAGE.relative_to(ROOT)}; run `make conformance`")
    cases = [case for _, its in found for case in its]
    print(f"conformance: {sum(case.passed for case in cases)} passed, {sum(not case.passed for case in cases)} failed")
    return 1 if below or (stale and options.check) else 0


if __name__ == "__main__":
    sys.exit(main())

"""The limits that other rollout controllers look at, evaluated by Prometheus itself on releases that we know all about.

A kept limit answers with at most 1 (or its own number), and a release that nobody asked, or hardly anybody, keeps them all.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from shipway.render.argo import argo_rollouts
from shipway.render.flagger import flagger
from tests.render.shop import compiled, one

SECONDS = 15
"""Between two samples."""


class Release(NamedTuple):
    """Requests per sample of one side, how many of them fail, and how many take longer than 200 ms (all of them under 1 s)."""

    requests: float
    failed: float = 0
    slow: float = 0


GOOD = Release(100, failed=1, slow=2)
NOBODY = Release(0)


def limits(controller: str) -> dict[str, tuple[str, str, float]]:
    """(query, operator, limit) of every limit by its name, with the releases called ``new`` and ``old``."""
    if controller == "flagger":
        objects = flagger(compiled("checkout"))
        ranges = {
            metric["templateRef"]["name"]: metric["thresholdRange"]
            for metric in one(objects, "Canary").object["spec"]["analysis"]["metrics"]
        }
        return {
            name.removeprefix("checkout-"): (
                one(objects, "MetricTemplate", name).object["spec"]["query"].replace("{{ interval }}", "10m"),
                ">=" if "min" in said else "<=",
                next(iter(said.values())),
            )
            for name, said in ranges.items()
        }
    template = one(argo_rollouts(compiled("checkout")), "AnalysisTemplate", "checkout-judgement").object["spec"]
    found = {}
    for metric in template["metrics"]:
        query = metric["provider"]["prometheus"]["query"]
        match = re.search(r"result\[0\] ([<>]=?) (\S+)$", metric["successCondition"])
        assert match
        named = query.replace("{{args.canary-hash}}", "new").replace("{{args.stable-hash}}", "old")
        found[metric["name"]] = (named, match[1], float(match[2]))
    return found


def pod(controller: str, side: str) -> str:
    flaggers = {"canary": "checkout-new-xxxx1", "baseline": "checkout-primary-old-xxxx1"}
    return (
        flaggers[side]
        if controller == "flagger"
        else {"canary": "checkout-new-x1", "baseline": "checkout-old-x1"}[side]
    )


def series(name: str, release: Release) -> list[dict[str, str]]:
    """What one pod of a release counts."""
    if not release.requests:
        return []
    own = f'job="checkout",namespace="checkout",pod="{name}"'
    base, buckets = "http_server_request_duration_seconds", {"0.2": release.requests - release.slow}
    buckets |= dict.fromkeys(("1", "+Inf"), release.requests)
    counted = {
        f'{base}_count{{{own},http_response_status_code="200"}}': release.requests - release.failed,
        f'{base}_count{{{own},http_response_status_code="500"}}': release.failed,
        **{f'{base}_bucket{{{own},le="{edge}"}}': each for edge, each in buckets.items()},
        f'container_cpu_usage_seconds_total{{namespace="checkout",pod="{name}",container="checkout"}}': 1,
    }
    return [{"series": key, "values": f"0+{value:g}x60"} for key, value in counted.items()]


def kept(controller: str, canary: Release, baseline: Release, where: Path) -> set[str]:
    """Names of the limits that Prometheus finds kept."""
    known = limits(controller)
    inputs = series(pod(controller, "canary"), canary) + series(pod(controller, "baseline"), baseline)
    tests = [
        {"expr": f"({query}) {op} bool {limit:.9g}", "eval_time": "12m", "exp_samples": []}
        for query, op, limit in known.values()
    ]
    file = {"rule_files": [], "tests": [{"interval": f"{SECONDS}s", "input_series": inputs, "promql_expr_test": tests}]}
    (where / "test.json").write_text(json.dumps(file))  # JSON is YAML
    said = promtool("test", "rules", "test.json", where=where)
    answers = re.findall(r"got:\s*(.*)", said)
    assert len(answers) == len(known), said
    return {name for name, answer in zip(known, answers, strict=True) if answer.endswith("1E+00")}


def promtool(*words: str, where: Path) -> str:
    """What promtool says of a file of tests that all fail, since none expects anything."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run(["promtool", *words], cwd=where, capture_output=True, text=True, timeout=110, check=False)
    return done.stdout + done.stderr


ALL = frozenset({"errors", "slow-1", "slow-2", *(f"check-{number}" for number in (1, 2, 3, 4, 5, 7, 8))})
"""Checks 6 and 9 are the tolerance and a metric of the organisation's own. Check 7 wants one request a second."""
ABSOLUTE = frozenset({"check-1", "check-2"})
"""errorRate < 0.1% and availability > 99.5%, which a baseline with 1 % errors breaks itself."""
SELDOM = frozenset({"check-5", "check-7"})
"""costPerRequest and requestRate, which a release that is seldom asked breaks."""

CASES: Mapping[str, tuple[Release, Release, frozenset[str]]] = {
    "no worse than the baseline": (GOOD, GOOD, ABSOLUTE),
    "both without an error": (Release(100), Release(100), frozenset()),
    "within the tolerance of half as many again": (Release(100, failed=1.4, slow=2), GOOD, ABSOLUTE),
    "five times the errors": (Release(100, failed=5, slow=2), GOOD, ABSOLUTE | {"errors"}),
    "errors that a baseline without any does not have": (
        Release(100, failed=0.2),
        Release(100),
        frozenset({"errors", "check-1"}),
    ),
    "one failure among few": (Release(1.25, failed=0.025), Release(100), ABSOLUTE | SELDOM),
    "a little worse than is tolerated, as chance has it": (Release(10, failed=0.17), GOOD, ABSOLUTE | SELDOM),
    "surely worse than is tolerated, among many": (Release(1000, failed=20), GOOD, ABSOLUTE | {"errors"}),
    "slow within the promise": (Release(100, slow=4), Release(100, slow=1), frozenset({"check-8"})),  # but p99 rose
    "slow beyond it": (Release(100, slow=20), Release(100, slow=1), frozenset({"slow-1", "check-3", "check-8"})),
    "bad, but hardly asked": (Release(0.5, failed=0.5, slow=0.5), GOOD, frozenset({"check-7"})),
    "never asked": (NOBODY, GOOD, frozenset({"check-7"})),
    "no baseline": (Release(100), NOBODY, frozenset()),
    "twice the CPU for a request": (Release(50), Release(100), frozenset({"check-5"})),
}


@pytest.mark.parametrize("controller", ["argo", "flagger"])
@pytest.mark.parametrize("case", CASES)
def test_a_limit_is_broken_exactly_when_the_release_is_worse(controller: str, case: str, tmp_path: Path) -> None:
    canary, baseline, broken = CASES[case]
    assert limits(controller).keys() == ALL
    assert ALL - kept(controller, canary, baseline, tmp_path) == broken

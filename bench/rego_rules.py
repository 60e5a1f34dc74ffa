"""Rego: three rules about a Pod, evaluated by Shipway and by regopy (rego-cpp) in one run, per CPU-second.

    python -m bench.rego_rules [--json]

regopy runs in a process of its own: a fault in it ends the process. Each gets the same Pod as a plain dict every time.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from queue import Empty
from statistics import median
from typing import Any

POLICY = """package main

import rego.v1

deny contains msg if {
    some container in input.spec.containers
    container.securityContext.runAsUser == 0
    msg := sprintf("container %s runs as root", [container.name])
}

deny contains msg if {
    some container in input.spec.containers
    not container.securityContext.readOnlyRootFilesystem
    msg := sprintf("container %s can write to its root", [container.name])
}

deny contains msg if {
    some container in input.spec.containers
    not may_not_be_root(container)
    msg := sprintf("container %s may run as root", [container.name])
}

may_not_be_root(container) if container.securityContext.runAsNonRoot

may_not_be_root(container) if {
    not "runAsNonRoot" in object.keys(object.get(container, "securityContext", {}))
    input.spec.securityContext.runAsNonRoot
}
"""
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web", "team": "shop"}},
    "spec": {
        "securityContext": {"runAsNonRoot": True},
        "containers": [
            {
                "name": "web",
                "image": "shop/web:1",
                "securityContext": {"readOnlyRootFilesystem": True, "runAsUser": 1000},
            },
            {"name": "log", "image": "shop/log:1", "securityContext": {"runAsUser": 0}},
        ],
    },
}
SECONDS = 1.0
ROUNDS = 4


def rate(evaluate: Callable[[], object], seconds: float = SECONDS) -> float:
    """Evaluations per CPU-second: the median of four rounds."""
    found: list[float] = []
    for _ in range(ROUNDS):
        count, start = 0, time.process_time()
        while (spent := time.process_time() - start) < seconds / ROUNDS:
            for _ in range(10):
                evaluate()
            count += 10
        found.append(count / spent)
    return median(found)


def ours() -> dict[str, float]:
    """Shipway: with the data made plain and back (as the API is used), and without, as rules are evaluated.

    ``judged``: by the policy's rule, which is evaluated once more to tell where the Pod breaks it.
    """
    from shipway.policy import modules
    from shipway.policy.rego.module import load
    from shipway.policy.rules import Request

    policy = load({"main.rego": POLICY})
    (rule,), _ = modules.load({"main.rego": POLICY})
    request = Request(POD)
    return {
        "judged": rate(lambda: rule.evaluate(request)),
        "evaluate": rate(lambda: policy.evaluate("data.main.deny", POD)),
        "value": rate(lambda: policy.value(("main", "deny"), POD, {}, 0.0)),
    }


def _rival(results: Any) -> None:
    import regopy

    def evaluate() -> object:
        interpreter.set_input(POD)
        return interpreter.query("data.main.deny")

    interpreter = regopy.Interpreter()
    interpreter.add_module("main", POLICY)
    results.put(rate(evaluate))


def rival() -> float | None:
    """regopy's evaluations per CPU-second; None when it cannot be had or dies."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_rival, args=(results,))
    process.start()
    try:
        return float(results.get(timeout=60))
    except Empty:
        return None
    finally:
        process.join(10)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    found = ours()
    other = rival()
    figures = {
        "shipway_per_cpu_second": round(found["value"]),
        "shipway_failing_and_placed_per_cpu_second": round(found["judged"]),
        "shipway_with_conversion_per_cpu_second": round(found["evaluate"]),
        "regopy_per_cpu_second": round(other) if other else None,
        "ratio": round(found["evaluate"] / other, 1) if other else None,
    }
    if parser.parse_args().json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:42} {value}")


if __name__ == "__main__":
    main()

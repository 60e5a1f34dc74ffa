"""CEL evaluations per CPU-second on five Kubernetes expressions, ours beside Google's: ``python -m bench.cel_mix --json``.

Each object is a Deployment with two containers, given as a plain dict at every evaluation. The rival is
``cel-expr-python``, which wraps cel-cpp; it gets one activation for each object, as a policy engine would do it.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from shipway.policy.cel import Environment, compile_

BAR = 500_000
"""Evaluations per CPU-second of the mix."""

EXPRESSIONS = {
    "replicas": "object.spec.replicas <= params.maxReplicas",
    "limits": "object.spec.template.spec.containers.all(c, has(c.resources) && has(c.resources.limits) && has(c.resources.limits.memory))",
    "optional": "object.spec.template.spec.containers.all(c, c.?securityContext.?runAsUser.orValue(1) != 0)",
    "image": "object.spec.template.spec.containers.all(c, !c.image.endsWith(':latest') && c.image.matches('^registry[.]example[.]com/[a-z0-9/-]+:[a-z0-9.-]+$'))",
    "labels": "['app', 'owner', 'env'].all(k, k in object.metadata.labels)",
}


class Rates(msgspec.Struct, frozen=True):
    """Evaluations per CPU-second, medians of the rounds."""

    each: dict[str, float]
    mix: float
    compile_microseconds: float
    rival_mix: float
    ratio: float


def deployment() -> dict[str, Any]:
    """What is evaluated: all five expressions are true of it."""
    containers = [
        {
            "name": name,
            "image": f"registry.example.com/shop/{name}:1.4.2",
            "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "securityContext": {"runAsUser": 1000, "allowPrivilegeEscalation": False},
        }
        for name in ("web", "proxy")
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web", "owner": "shop", "env": "prod"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": containers}}},
    }


def rate(work: Callable[[], object], evaluations: int, *, rounds: int, seconds: float) -> float:
    """Evaluations per CPU-second; ``work`` does ``evaluations`` of them."""
    rates = []
    for _ in range(rounds):
        count, began = 0, time.process_time()
        while (spent := time.process_time() - began) < seconds:
            for _ in range(100):
                work()
            count += 100 * evaluations
        rates.append(count / spent)
    return statistics.median(rates)


def measure(*, rounds: int = 5, seconds: float = 0.4) -> Rates:
    """Both engines in one run."""
    bindings = {"object": deployment(), "params": {"maxReplicas": 50}}
    environment = Environment(variables=["object", "params"])
    programs = {name: compile_(source, environment) for name, source in EXPRESSIONS.items()}
    assert all(program.evaluate(bindings) is True for program in programs.values())

    def one_each() -> None:
        for program in programs.values():
            program.evaluate(bindings)

    def compile_all() -> None:
        for source in EXPRESSIONS.values():
            compile_(source, environment)

    each = {
        name: rate(lambda program=program: program.evaluate(bindings), 1, rounds=rounds, seconds=seconds)  # type: ignore[misc]  # a bound default
        for name, program in programs.items()
    }
    mix = rate(one_each, len(programs), rounds=rounds, seconds=seconds)
    compiled = 1e6 / rate(compile_all, len(programs), rounds=rounds, seconds=seconds)
    rival = _rival(bindings, rounds=rounds, seconds=seconds)
    return Rates(
        {name: round(value) for name, value in each.items()},
        round(mix),
        round(compiled),
        round(rival),
        round(mix / rival, 1),
    )


def _rival(bindings: dict[str, Any], *, rounds: int, seconds: float) -> float:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_optional

    variables = {"object": cel.Type.DYN, "params": cel.Type.DYN}
    env = cel.NewEnv(variables=variables, extensions=[ext_optional.ExtOptional()])
    expressions = [env.compile(source) for source in EXPRESSIONS.values()]

    def one_each() -> None:
        activation = env.Activation(bindings)
        for expression in expressions:
            expression.eval(activation)

    return rate(one_each, len(expressions), rounds=rounds, seconds=seconds)


def main(argv: list[str] | None = None) -> int:
    """Print the figures; 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    rates = measure()
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(rates)))
    else:
        for name, value in {
            **rates.each,
            "mix of the five": rates.mix,
            "cel-expr-python, mix": rates.rival_mix,
        }.items():
            print(f"{name:24} {value:12,.0f} evaluations per CPU-second")
        print(
            f"compile: {rates.compile_microseconds:.0f} µs an expression; {rates.ratio:g} times the rival; bar {BAR:,}"
        )
    return 0 if rates.mix >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())

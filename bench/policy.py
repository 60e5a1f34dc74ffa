"""How fast policies are judged, beside programs that do the same: ``python -m bench.policy [--json] [--rivals DIR]``.

Four figures, each per second of CPU of one process unless it says otherwise:

* evaluations of five CEL expressions over a Deployment (:mod:`bench.cel`);
* pods judged by the 17 built-in rules about pods;
* AdmissionReviews from JSON to JSON with the same rules, and over HTTP the time to answer at half that rate;
* objects that ``policy check`` gets through in 5,000 files, beside whichever of conftest, gator and kubeconform is on the
  PATH (or in ``--rivals``), by the wall clock, all cores, alternating.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from shipway.cli.policing.judging import as_yaml, exported
from shipway.cli.policing.policies import read_policies
from shipway.policy.evaluating import Evaluator
from shipway.policy.rules import Request
from shipway.web.admission.reviewing import review

FILES, OBJECTS = 5_000, 10_000
POD_RULES = 17
HALF = 1000.0
"""Reviews a second: half of what one worker must be able to answer."""

POD: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "owner": "payments", "env": "prod"}},
    "spec": {
        "serviceAccountName": "web",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": name,
                "image": f"registry.example.com/{name}:1.4.2@sha256:{'0123456789abcdef' * 4}",
                "ports": [{"containerPort": 8080}],
                "env": [{"name": "LEVEL", "value": "info"}],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"cpu": "500m", "memory": "256Mi"},
                },
                "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
            for name in ("web", "proxy")
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    },
}
"""Keeps every rule, so that every expression is evaluated to its end."""


def rate(work: Callable[[], object], seconds: float = 1.5, rounds: int = 3) -> float:
    """Median of calls per second of CPU."""
    work()
    found = []
    for _ in range(rounds):
        count, began = 0, time.process_time()
        while (spent := time.process_time() - began) < seconds / rounds or count < 2:
            for _ in range(20):
                work()
            count += 20
        found.append(count / spent)
    return statistics.median(found)


def evaluator() -> Evaluator:
    """The built-in rules in production; exactly :data:`POD_RULES` of them are about pods."""
    made = read_policies([]).evaluator("prod")
    assert len(made.rules_for("Pod")) == POD_RULES, len(made.rules_for("Pod"))
    return made


def admission_review() -> bytes:
    """A review of :data:`POD`."""
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
        "object": POD,
    }
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def pods_per_second() -> float:
    """Pods judged per second of CPU."""
    made, request = evaluator(), Request(object=POD)
    assert not made.evaluate(request, passes=False)
    return rate(lambda: made.evaluate(request, passes=False))


def reviews_per_second() -> float:
    """Reviews from JSON to JSON per second of CPU."""
    made, body = evaluator(), admission_review()
    assert review(body, made, 0.0).allowed
    return rate(lambda: review(body, made, 0.0))


def seconds_to_answer(rate_: float, seconds: float = 8.0) -> dict[str, float]:
    """Time to answer over HTTP on a UNIX socket, in milliseconds, asked ``rate_`` times a second at even distances.

    One worker process; connections are kept, as an API server keeps them. Late answers count from when they were due.
    """
    with tempfile.TemporaryDirectory() as place:
        socket = str(Path(place) / "s")
        command = [sys.executable, "-c", _SERVER, socket]
        with subprocess.Popen(command) as server:
            try:
                times = asyncio.run(_ask(socket, rate_, seconds))
            finally:
                server.terminate()
    times.sort()
    return {
        f"at {rate_:.0f}/s: p50 ms": times[len(times) // 2] * 1000,
        f"at {rate_:.0f}/s: p99 ms": times[int(len(times) * 0.99)] * 1000,
    }


_SERVER = """
import sys, uvicorn
from shipway.cli.policing.policies import read_policies
from shipway.cli.policing.serving import KEPT_OPEN
from shipway.web.admission.app import create_app
app = create_app(lambda: read_policies([]).evaluator("prod"), lambda: 0, worker="1")
uvicorn.run(app, uds=sys.argv[1], log_level="critical", access_log=False, timeout_keep_alive=KEPT_OPEN)
"""


async def _ask(socket: str, rate_: float, seconds: float) -> list[float]:
    body = admission_review()
    head = f"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for _ in range(400):
        if Path(socket).exists():
            break
        await asyncio.sleep(0.05)
    times: list[float] = []
    began = time.perf_counter() + 0.1

    async def one(due: float) -> None:
        reader, writer = idle.pop() if idle else await asyncio.open_unix_connection(socket)
        writer.write(head + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert b'"allowed":true' in await reader.readexactly(length)
        if due > began + 1:  # a second to open connections and warm up
            times.append(time.perf_counter() - due)
        idle.append((reader, writer))

    tasks = []
    for number in range(int(rate_ * seconds)):
        due = began + number / rate_
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return times


# -- manifests


def write_manifests(directory: Path) -> None:
    """:data:`OBJECTS` in :data:`FILES`: a Deployment and its NetworkPolicy in each. All of them keep
    every rule, so that nobody spends time on telling what is wrong."""
    import yaml

    for number in range(FILES):
        name = f"app-{number}"
        meta = {"name": name, "namespace": f"team-{number % 50}", "labels": dict(POD["metadata"]["labels"])}
        template = {"metadata": {"labels": {"app": name}}, "spec": POD["spec"]}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
        policy = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": meta,
            "spec": {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"]},
        }
        text = _text(yaml, deployment, policy)
        (directory / f"{number % 100:02}" / f"{name}.yaml").write_text(text, encoding="utf-8")


def _text(yaml: Any, *documents: Mapping[str, Any]) -> str:
    class Plain(yaml.CSafeDumper):  # type: ignore[misc]  # a base chosen at run time
        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    return str(yaml.dump_all(documents, Dumper=Plain, sort_keys=False))


REGO = """package main

import rego.v1

controllers := {"Deployment", "StatefulSet", "DaemonSet"}

containers contains container if {
	input.kind in controllers
	some container in input.spec.template.spec.containers
}

deny contains msg if {
	some c in containers
	endswith(c.image, ":latest")
	msg := sprintf("%s: latest", [c.name])
}

deny contains msg if {
	some c in containers
	c.securityContext.privileged
	msg := sprintf("%s: privileged", [c.name])
}

deny contains msg if {
	some c in containers
	not c.resources.limits.memory
	msg := sprintf("%s: no memory limit", [c.name])
}

deny contains msg if {
	input.kind in controllers
	input.spec.template.spec.hostNetwork
	msg := "hostNetwork"
}
"""
"""Four of the rules: the rival has less to do than we have."""


def rivals(directory: str) -> dict[str, Callable[[Path, Path], list[str]]]:
    """Commands of the rivals that are there, by name; each takes the manifests and a directory of its own."""
    found: dict[str, Callable[[Path, Path], list[str]]] = {}
    path = os.pathsep.join([directory, os.environ.get("PATH", "")])
    if conftest := shutil.which("conftest", path=path):
        found["conftest (4 Rego rules)"] = lambda manifests, own: [
            conftest, "test", "--no-color", "-o", "json", "-p", str(own), str(manifests),
        ]  # fmt: skip
    if gator := shutil.which("gator", path=path):
        found["gator (the same rules, but those over facts)"] = lambda manifests, own: [
            gator, "test", "-f", str(manifests), "-f", str(own / "gator"), "-o", "json",
        ]  # fmt: skip
    if kubeconform := shutil.which("kubeconform", path=path):
        found["kubeconform (schemas)"] = lambda manifests, own: [
            kubeconform, "-summary", "-n", "2",
            "-schema-location", str(own / "schemas/{{.ResourceKind}}{{.KindSuffix}}.json"), str(manifests),
        ]  # fmt: skip
    return found


def _ours(manifests: Path, _own: Path) -> list[str]:
    return [sys.executable, "-m", "shipway.cli.main", "policy", "check", str(manifests)]


def prepare_rivals(own: Path) -> None:
    """What they need: a Rego file, our own rules as Gatekeeper's templates (but those over facts), and the schemas that the package kubernetes-validate brings."""
    (own / "policy.rego").write_text(REGO, encoding="utf-8")
    (own / "gator").mkdir()
    rules = as_yaml(exported([], "", "gatekeeper", pack=True).manifests)
    (own / "gator" / "templates.yaml").write_text(rules, encoding="utf-8")
    package = importlib.util.find_spec("kubernetes_validate")
    assert package is not None
    assert package.origin is not None
    newest = sorted(Path(package.origin).parent.glob("kubernetes-json-schema/v1.3?.0-local"))[-1]
    (own / "schemas").mkdir()
    for file in ("deployment-apps-v1.json", "networkpolicy-networking-v1.json", "_definitions.json"):
        schema = json.loads((newest / file).read_text(encoding="utf-8"))
        del schema["$id"]  # kubeconform would ask kubernetes.io for the definitions, and find none there
        text = json.dumps(schema).replace('"/api/_definitions.json', '"_definitions.json')
        (own / "schemas" / file).write_text(text, encoding="utf-8")


def write_broken(directory: Path) -> None:
    """An object that breaks schemas and rules: what finds nothing wrong with it does not judge."""
    container = {"name": "web", "image": "web:latest", "command": "web", "securityContext": {"privileged": True}}
    spec = {"replicas": 1, "selector": {}, "template": {"spec": {"containers": [container]}}}
    broken = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    (directory / "web.yaml").write_text(as_yaml([broken]), encoding="utf-8")


def objects_per_second(command: list[str]) -> float:
    """Objects per second of the wall clock, one run that finds nothing wrong."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[0]}: exit {done.returncode}: {(done.stderr or done.stdout)[-400:]}")
    return OBJECTS / spent


def require_judgement(command: list[str]) -> None:
    """Raise RuntimeError when a program takes what :func:`write_broken` wrote."""
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        raise RuntimeError(f"{command[0]}: finds nothing wrong with a broken object")


def checks(directory: str, rounds: int) -> dict[str, float]:
    """Median objects per second of every program, rounds alternating."""
    with tempfile.TemporaryDirectory() as place:
        manifests, broken, own = (Path(place) / name for name in ("manifests", "broken", "own"))
        for number in range(100):
            (manifests / f"{number:02}").mkdir(parents=True)
        broken.mkdir()
        own.mkdir()
        write_manifests(manifests)
        write_broken(broken)
        prepare_rivals(own)
        programs = {"shipway (24 rules)": _ours, **rivals(directory)}
        for make in programs.values():
            require_judgement(make(broken, own))
        commands = {name: make(manifests, own) for name, make in programs.items()}
        runs: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                runs[name].append(objects_per_second(command))
    return {name: statistics.median(found) for name, found in runs.items()}


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rivals", default="", help="directory with conftest, gator, kubeconform")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("pods", "reviews", "http", "check"), default=None)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    if options.only in (None, "pods"):
        found["pods per CPU-second, 17 rules"] = pods_per_second()
    if options.only in (None, "reviews"):
        found["AdmissionReviews per CPU-second, 17 rules"] = reviews_per_second()
    if options.only in (None, "http"):
        found["webhook over HTTP, one worker"] = seconds_to_answer(HALF)
    if options.only in (None, "check"):
        found["objects per second, 10,000 in 5,000 files"] = checks(options.rivals, options.rounds)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        rows = value if isinstance(value, dict) else {"": value}
        for label, number in rows.items():
            print(f"{name}{f', {label}' if label else ''}: {number:,.1f}")


if __name__ == "__main__":
    main()

"""How fast an organisation becomes Kubernetes objects: ``python -m bench.render [--json]``.

    organisation   1,000 applications x 3 environments, read, compiled, checked and written as YAML on one core; and half of it
    per_app        kustomize (on PATH, or --kustomize FILE) builds one overlay per application; the same objects as ours
    one_overlay    kustomize builds one overlay of many applications, each with an image and a patch of its own
    single         ``shipway render APP --env prod`` as a command, after the first run
    yaml           our writer beside PyYAML's C dumper

Rivals run in the same run on objects that we rendered, read back from files. helm is not compared: a chart renders text, not
an organisation.
"""

import argparse
import gc
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from shipway.cli import organisations
from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.truth import contradictions
from shipway.render.yaml import to_yaml

Figures = dict[str, Any]
Objects = list[dict[str, Any]]
APPLICATIONS = 1000
BARS = {"per_app": 20.0, "one_overlay": 100.0, "yaml": 5.0}
LINEAR, SECONDS, GIGABYTES, SINGLE = 2.2, 20.0, 1.5, 0.150

PLATFORM = """apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: bench}
spec:
  environments:
    dev: {clusters: {dev-eu: eu-west-1}}
    staging: {clusters: {staging-eu: eu-west-1}}
    prod: {clusters: {prod-eu: eu-west-1}, production: true}
"""
APPLICATION = """apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {{name: service-{n}, team: team-{t}}}
spec:
  archetype: api-service
  image: registry.example.com/service-{n}:1.4.{p}
  port: 8080
  health: /healthz
  env: {{LOG_LEVEL: info, REGION: eu}}
  secrets: {{API_KEY: service-{n}/api-key}}
  scale: {{min: 2, max: 10}}
  slo: {{availability: 99.9%, latency: 95% < 250ms}}
  delivery: canary
  {depends}environments: {{dev: {{scale: {{min: 1, max: 2}}}}}}
"""


def written(folder: Path, count: int) -> Path:
    """An organisation of ``count`` applications, a third of which call their neighbour."""
    folder.mkdir()
    (folder / "platform.yaml").write_text(PLATFORM)
    for n in range(count):
        depends = f"dependsOn: [service-{n - 1}]\n  " if n % 3 == 1 else ""
        text = APPLICATION.format(n=n, t=n % 40, p=n % 10, depends=depends)
        (folder / f"service-{n}.yaml").write_text(text)
    return folder


def organisation(folder: Path) -> Figures:
    """Seconds of each part, objects and peak memory so far."""
    gc.disable()  # as the verb does
    begun = time.perf_counter()
    read = organisations.load(folder)
    compiling = time.perf_counter()
    objects = size = 0
    checking = 0.0
    for environment in read.environments:
        compiled: list[Compiled] = []
        for one in compile_organisation(read, environment):
            objects += len(one.objects)
            size += len(to_yaml([rendered.object for rendered in one.objects]))
            compiled.append(one)
        checked = time.perf_counter()
        assert not list(contradictions(compiled, complete=True))
        checking += time.perf_counter() - checked
        compiled.clear()
        gc.collect()
    seconds = time.perf_counter() - begun
    gc.enable()
    return {
        "objects": objects,
        "megabytes": size / 1e6,
        "seconds": seconds,
        "reading": compiling - begun,
        "checking": checking,
        "objects_per_second": objects / seconds,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def rendered(folder: Path, environment: str) -> dict[str, Objects]:
    """Objects by application."""
    read = organisations.load(folder)
    compiled = compile_organisation(read, environment)
    return {one.application: [each.object for each in one.objects] for one in compiled if one.application}


def per_app(kustomize: str, objects: dict[str, Objects], folder: Path) -> float:
    """Objects per second of one ``kustomize build`` per application."""
    for app, found in objects.items():
        _base(folder / app / "base", {app: found})
        _overlay(folder / app / "prod", [app])
    begun = time.perf_counter()
    for app in objects:
        _build(kustomize, folder / app / "prod")
    return sum(map(len, objects.values())) / (time.perf_counter() - begun)


def one_overlay(kustomize: str, objects: dict[str, Objects], folder: Path) -> float:
    """Objects per second of one ``kustomize build`` for all of them."""
    _base(folder / "base", objects)
    _overlay(folder / "prod", list(objects))
    begun = time.perf_counter()
    _build(kustomize, folder / "prod")
    return sum(map(len, objects.values())) / (time.perf_counter() - begun)


def _base(folder: Path, objects: dict[str, Objects]) -> None:
    folder.mkdir(parents=True)
    for app, found in objects.items():
        (folder / f"{app}.yaml").write_text(to_yaml(found))
    names = [f"{app}.yaml" for app in objects]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": names}))


def _overlay(folder: Path, apps: Sequence[str]) -> None:
    folder.mkdir(parents=True)
    patch = [{"op": "add", "path": "/metadata/annotations", "value": {"example.com/overlay": "prod"}}]
    document = {
        "resources": ["../base"],
        "images": [{"name": f"registry.example.com/{app}", "newTag": "2.0.0"} for app in apps],
        "patches": [{"target": {"kind": "Deployment", "name": app}, "patch": json.dumps(patch)} for app in apps],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))


def _build(kustomize: str, folder: Path) -> None:
    subprocess.run([kustomize, "build", str(folder)], check=True, stdout=subprocess.DEVNULL)


def single(folder: Path, out: Path, runs: int = 7) -> Figures:
    """Seconds of the command, the first run apart."""
    command = [sys.executable, "-m", "shipway.cli.main", "render", "service-1", "--env", "prod"]
    command += ["--platform", str(folder), "--out", str(out)]
    times = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return {"first": times[0], "median": statistics.median(times[1:]), "applications": 12}


def dumping(objects: dict[str, Objects]) -> Figures:
    """Seconds for the same objects, best of three."""
    documents = [each for found in objects.values() for each in found]

    def best(action: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            action()
            times.append(time.perf_counter() - begun)
        return min(times)

    ours = best(lambda: to_yaml(documents))
    theirs = best(lambda: yaml.dump_all(documents, Dumper=yaml.CSafeDumper, sort_keys=False))
    return {"objects": len(documents), "seconds": ours, "pyyaml_seconds": theirs, "ratio": theirs / ours}


def measure(applications: int, kustomize: str | None) -> Figures:
    """All parts, and the bars that were missed."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as name:
        top = Path(name)
        half = organisation(written(top / "half", applications // 2))
        whole = organisation(written(top / "whole", applications))
        found: Figures = {"organisation": whole, "half": half, "times_for_twice": whole["seconds"] / half["seconds"]}
        small = written(top / "small", 12)
        found["single"] = single(small, top / "out")
        many = rendered(written(top / "many", 120), "prod")
        found["yaml"] = dumping(many)
        if kustomize:
            few = dict(list(many.items())[:25])
            for part, action, objects in (("per_app", per_app, few), ("one_overlay", one_overlay, many)):
                rate = action(kustomize, objects, top / part)
                found[part] = {
                    "objects": sum(map(len, objects.values())),
                    "kustomize_objects_per_second": rate,
                    "ratio": whole["objects_per_second"] / rate,
                }
    return {**found, "missed": missed(found)}


def missed(found: Figures) -> list[str]:
    """Names of the bars that were not reached."""
    problems = [name for name, bar in BARS.items() if name in found and found[name]["ratio"] < bar]
    if found["times_for_twice"] > LINEAR:
        problems.append("linear")
    if found["organisation"]["seconds"] > SECONDS or found["organisation"]["peak_gigabytes"] > GIGABYTES:
        problems.append("organisation")
    if found["single"]["median"] > SINGLE:
        problems.append("single")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.render", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--applications", type=int, default=APPLICATIONS)
    parser.add_argument("--kustomize", default=shutil.which("kustomize"), help="the rival's program")
    options = parser.parse_args(arguments)
    found = measure(options.applications, options.kustomize)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for name, figures in found.items():
            print(name, json.dumps(figures))
    return int(bool(found["missed"]))


if __name__ == "__main__":
    sys.exit(main())

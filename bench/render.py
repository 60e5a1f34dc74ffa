"""How fast an organisation becomes Kubernetes objects: ``python -m bench.render [--json]``.

    organisation   1,000 applications x 3 environments, read, compiled, checked and written as YAML on one core; and half of it
    per_app        kustomize builds one overlay per application; the same objects as ours
    kubectl        the same by ``kubectl kustomize``
    helm           ``helm template`` for each application, by a chart that has the same objects; there is no bar for it
    one_overlay    kustomize builds one overlay of --overlay applications, each with an image and a patch of its own
    single         ``shipway render APP --env prod --out DIR`` in examples/platform, start of the command included
    yaml           our writer beside PyYAML's C dumper

Rivals are looked for on PATH (or --kustomize FILE and so on), run in the same run on objects that we rendered, and may use
every core; those that are not there are left out. kustomize's time for one overlay grows with the square of the applications:
250 take a minute, ``--overlay 1000`` about twenty-five. What runs on one core alone is judged by processor time, the rest by the
clock, which other work on the machine slows down unevenly; so rivals are compared by processor time as well.
"""

import argparse
import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from shipway.facts import organisations
from shipway.render import yaml as writer
from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.truth import contradictions
from shipway.render.yaml import to_yaml

Figures = dict[str, Any]
Objects = list[dict[str, Any]]
Command = Sequence[str]
Programs = Mapping[str, str | None]
Rival = Callable[[Command, dict[str, Objects], Path], list[Command]]
EXAMPLE = Path(__file__).parents[1] / "examples" / "platform"
APPLICATIONS, OVERLAY = 1000, 250
BARS = {"per_app": 20.0, "kubectl": 20.0, "one_overlay": 100.0, "yaml": 5.0}
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
    begun, used = time.perf_counter(), time.process_time()
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
    seconds = time.perf_counter() - begun
    gc.enable()
    return {
        "objects": objects,
        "megabytes": size / 1e6,
        "seconds": seconds,
        "reading": compiling - begun,
        "checking": checking,
        "objects_per_second": objects / seconds,
        "processor_seconds": time.process_time() - used,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def rendered(folder: Path, environment: str) -> dict[str, Objects]:
    """Objects by application."""
    read = organisations.load(folder)
    compiled = compile_organisation(read, environment)
    return {one.application: [each.object for each in one.objects] for one in compiled if one.application}


def per_app(build: Command, objects: dict[str, Objects], folder: Path) -> list[Command]:
    """One build per application."""
    for app, found in objects.items():
        _base(folder / app / "base", {app: found})
        _overlay(folder / app / "prod", [app])
    return [[*build, str(folder / app / "prod")] for app in objects]


def one_overlay(build: Command, objects: dict[str, Objects], folder: Path) -> list[Command]:
    """One build for all of them."""
    _base(folder / "base", objects)
    _overlay(folder / "prod", list(objects))
    return [[*build, str(folder / "prod")]]


def charts(build: Command, objects: dict[str, Objects], folder: Path) -> list[Command]:
    """One ``helm template`` per application; what differs between applications is a value."""
    app, found = next(iter(objects.items()))
    text = to_yaml(found).replace("{{", '{{ "{{" }}').replace(app, "{{ .Values.name }}")
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "all.yaml").write_text(text)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: service\nversion: 1.0.0\n")
    return [[*build, app, str(folder), "--set", f"name={app}"] for app in objects]


RIVALS: dict[str, tuple[str, Command, Rival]] = {
    "per_app": ("kustomize", ("build",), per_app),
    "kubectl": ("kubectl", ("kustomize",), per_app),
    "helm": ("helm", ("template",), charts),
    "one_overlay": ("kustomize", ("build",), one_overlay),
}
"""Part to its program, the beginning of the command, and what is to be run."""


def against(
    programs: Programs, ours: Figures, few: dict[str, Objects], many: dict[str, Objects], top: Path
) -> dict[str, Figures]:
    """Every rival that is there beside ours, by the clock and by what both took of processors."""
    found = {}
    for part, (name, words, prepared) in RIVALS.items():
        if program := programs[name]:
            objects = many if part == "one_overlay" else few
            commands = prepared((program, *words), objects, top / part)
            before = _children()
            seconds, used = _seconds(commands), _children() - before
            count = sum(map(len, objects.values()))
            found[part] = {
                "applications": len(objects),
                "objects": count,
                "seconds": seconds,
                "processor_seconds": used,
                "objects_per_second": count / seconds,
                "ratio": (seconds / count) / (ours["seconds"] / ours["objects"]),
                "ratio_of_processor_time": (used / count) / (ours["processor_seconds"] / ours["objects"]),
            }
    return found


def _children() -> float:
    """Processor time of every command so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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


def _seconds(commands: Iterable[Command], environment: dict[str, str] | None = None) -> float:
    """Wall time of all of them, one after the other."""
    begun = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begun


def single(top: Path, runs: int = 9) -> Figures:
    """Seconds of the command: the first time, again, and after its file was changed."""
    shutil.copytree(EXAMPLE, top / "platform")
    script = Path(sys.executable).with_name("shipway")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "shipway.cli.main"]
    command = [*program, "render", "checkout", "--env", "prod", "--platform", str(top / "platform")]
    command += ["--out", str(top / "out")]
    environment = {**os.environ, "XDG_CACHE_HOME": str(top / "cache")}
    first, before = _seconds([command], environment), _children()
    again = [_seconds([command], environment) for _ in range(runs)]
    used = (_children() - before) / runs
    changed = []
    for _ in range(runs):
        with (top / "platform" / "applications" / "checkout.yaml").open("a") as file:
            file.write("# changed\n")
        changed.append(_seconds([command], environment))
    after = statistics.median(changed)
    return {"first": first, "median": statistics.median(again), "processor_seconds": used, "after_a_change": after}


def dumping(objects: dict[str, Objects]) -> Figures:
    """Processor seconds for the same objects, best of three."""
    documents = [each for found in objects.values() for each in found]

    def best(action: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            writer._texts.clear()  # nothing helps that an earlier run has seen
            begun = time.process_time()
            action()
            times.append(time.process_time() - begun)
        return min(times)

    ours = best(lambda: to_yaml(documents))
    theirs = best(lambda: yaml.dump_all(documents, Dumper=yaml.CSafeDumper, sort_keys=False))
    return {"objects": len(documents), "seconds": ours, "pyyaml_seconds": theirs, "ratio": theirs / ours}


def measure(applications: int, overlay: int, programs: Programs) -> Figures:
    """All parts, and the bars that were missed."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as name:
        top = Path(name)
        half = organisation(written(top / "half", applications // 2))
        whole = organisation(written(top / "whole", applications))
        found: Figures = {
            "organisation": whole,
            "half": half,
            "times_for_twice": whole["processor_seconds"] / half["processor_seconds"],
        }
        found["single"] = single(top)
        many = rendered(written(top / "many", overlay), "prod")
        few = dict(list(many.items())[:50])
        found["yaml"] = dumping(few)
        found |= against(programs, whole, few, many, top)
    return {**found, "missed": missed(found)}


def missed(found: Figures) -> list[str]:
    """Names of the bars that were not reached."""
    problems = [name for name, bar in BARS.items() if name in found and found[name]["ratio"] < bar]
    if found["times_for_twice"] > LINEAR:
        problems.append("linear")
    if found["organisation"]["processor_seconds"] > SECONDS or found["organisation"]["peak_gigabytes"] > GIGABYTES:
        problems.append("organisation")
    if found["single"]["median"] > SINGLE:
        problems.append("single")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.render", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--applications", type=int, default=APPLICATIONS)
    parser.add_argument("--overlay", type=int, default=OVERLAY, help="applications in the one overlay")
    for name in ("kustomize", "kubectl", "helm"):
        parser.add_argument(f"--{name}", default=shutil.which(name), metavar="FILE", help="the rival's program")
    options = parser.parse_args(arguments)
    programs = {name: getattr(options, name) for name in ("kustomize", "kubectl", "helm")}
    found = measure(options.applications, options.overlay, programs)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for name, figures in found.items():
            print(name, json.dumps(figures))
    return int(bool(found["missed"]))


if __name__ == "__main__":
    sys.exit(main())

"""What knowing and spending costs in time: ``python -m bench.know [PART…] [--json]``.

Each part is a function in :data:`PARTS` that measures one thing on one core and returns its figures, with ``missed`` naming
the bars that it did not meet. A part that compares runs its rival in the same process, on the same input. Several parts run
one after the other in a process of their own each, so that the memory of one is not counted for the next.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]

SERVICES = 1000
RULES_BAR = 3.0
"""Seconds for the rules of a thousand services, from their files to text."""


def rules() -> Figures:
    """Rules of 1,000 services with two promises each: read, resolved, made and written, in our style and in Sloth's."""
    from shipway.facts.files import read
    from shipway.slo.rulemaking import Request, documents, text

    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as directory:
        folder = Path(directory)
        ours, theirs = _applications(folder / "applications.yaml"), _sloth_files(folder / "sloth.yaml")
        found: Figures = {"services": SERVICES, "bar_seconds": RULES_BAR}
        for name, file, compat in (("shipway", ours, ""), ("sloth_style", theirs, "sloth")):
            begun, worked = time.perf_counter(), time.process_time()
            made = documents(Request(files=read([file]), compat=compat))
            halfway = time.perf_counter()
            written = text(made)
            seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
            count = sum(len(group["rules"]) for one in made for group in one["groups"])
            found[name] = {
                "seconds": seconds,
                "cpu_seconds": cpu,
                "of_which_writing": seconds - (halfway - begun),
                "rules": count,
                "megabytes": len(written) / 1e6,
            }
        found["sloth"] = _sloth(theirs)
    found["missed"] = [name for name in ("shipway", "sloth_style") if found[name]["seconds"] > RULES_BAR]
    return found


def _applications(file: Path) -> Path:
    document = (
        "apiVersion: shipway.dev/v1alpha1\nkind: Application\nmetadata: {{name: service-{n}, team: team-{t}}}\n"
        "spec: {{archetype: api-service, image: 'service:{n}', slo: {{availability: 99.9%, latency: 95% < 250ms}}}}\n"
    )
    file.write_text("---\n".join(document.format(n=n, t=n % 40) for n in range(SERVICES)))
    return file


def _sloth_files(file: Path) -> Path:
    slo = (
        "  - name: {name}\n    objective: {objective}\n    sli:\n      events:\n"
        '        error_query: sum(rate({bad}{{job="service-{n}"}}[{{{{.window}}}}]))\n'
        '        total_query: sum(rate(requests_total{{job="service-{n}"}}[{{{{.window}}}}]))\n'
        "    alerting: {{name: Service{n}}}\n"
    )
    names = (("availability", 99.9, "errors_total"), ("latency", 95, "slow_total"))
    file.write_text(
        "---\n".join(
            f"version: prometheus/v1\nservice: service-{n}\nslos:\n"
            + "".join(slo.format(name=name, objective=objective, bad=bad, n=n) for name, objective, bad in names)
            for n in range(SERVICES)
        )
    )
    return file


def _sloth(file: Path) -> Figures | None:
    """Sloth itself, when its program is installed."""
    program = shutil.which("sloth")
    if program is None:
        return None
    begun = time.perf_counter()
    subprocess.run(
        [program, "generate", "-i", str(file), "-o", str(file.with_suffix(".out"))], check=True, capture_output=True
    )
    return {"seconds": time.perf_counter() - begun}


WORKLOADS = 1000


def sizing() -> Figures:
    """Our recommender on 1,000 workloads with two weeks of samples a minute; how good it is, ``bench.sizing`` says."""
    from bench.sizing import GIGABYTES, SECONDS, speed

    found = speed(WORKLOADS)
    bars = (("seconds", SECONDS), ("peak_gigabytes", GIGABYTES))
    return {**found, "bars": dict(bars), "missed": [name for name, bar in bars if found[name] > bar]}


ORIGINS, RIVALS = 20, 2
"""Forecasts of each series by us, and by the rival, which takes seconds for one."""


def forecasts() -> Figures:
    """Error and time of a forecast, on public series; ``bench.forecasts`` has all origins. Rival: statsforecast's MSTL."""
    from bench.forecasts import CASES, DATA, FASTER, MILLISECONDS, ahead, chosen, rival

    if not DATA.is_dir():
        return {"skipped": f"there is no {DATA}", "missed": []}
    found: Figures = {"bar_milliseconds": MILLISECONDS, "bar_times_faster": FASTER}
    missed = []
    for name, case in CASES.items():
        series = chosen(DATA, name)
        ours, other = ahead(series, case, ORIGINS), rival(series, case, RIVALS)
        found[name] = {**ours, "statsforecast": other or "not installed"}
        if ours["median_milliseconds"] > MILLISECONDS:
            missed.append(f"{name}: time")
        if other:
            same = ahead(series, case, RIVALS)  # the same origins
            faster = other["median_milliseconds"] / same["median_milliseconds"]
            found[name] |= {"times_faster": faster, "same_origins_mase_mean": same["mase_mean"]}
            missed += [f"{name}: {faster:.0f} times faster"] * (faster < FASTER)
            missed += [f"{name}: error"] * (same["mase_mean"] > other["mase_mean"])
    return {**found, "missed": missed}


PARTS: dict[str, Callable[[], Figures]] = {"rules": rules, "sizing": sizing, "forecasts": forecasts}
"""By name, in the order in which they run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for; 1 when one misses a bar."""
    parser = argparse.ArgumentParser(prog="python -m bench.know", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)} [default: all]")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    names = asked.parts or list(PARTS)
    found = {name: PARTS[name]() if len(names) == 1 else _apart(name) for name in names}
    sys.stdout.write((json.dumps(found, indent=2) if asked.json else _words(found)) + "\n")
    return 1 if any(figures.get("missed") for figures in found.values()) else 0


def _apart(name: str) -> Figures:
    """In a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.know", name, "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    found: Figures = json.loads(done.stdout)[name]
    return found


def _words(found: dict[str, Figures]) -> str:
    return "\n".join(
        f"{part}: " + ", ".join(f"{key} {value}" for key, value in figures.items()) for part, figures in found.items()
    )


if __name__ == "__main__":
    sys.exit(main())

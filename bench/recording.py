"""What the usage recorder costs the controller: ``python -m bench.recording [--json]``.

Real processes (two for each application, asleep), the real recorder, meter, files and reader of the proxy's counters; the proxy's
admin interface is a process that always answers, in Envoy's form, with counters and 40 histogram bins of each application that grow
from one reading to the next. Processor time of the controller's side, over the ten seconds that lie between two readings.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipway.facts.counters import CounterFiles
from shipway.facts.usages import UsageFiles
from shipway.metrics.envoy import EnvoyMetrics
from shipway.metrics.kept import Kept
from shipway.metrics.recording import EVERY, Key, Recorder
from shipway.model.ids import AppName, ReleaseId
from shipway.render.envoy import cluster_name
from shipway.runtimes.local.usage import ProcessMeter

MOST = 0.01
"""Of a core."""
ADMIN = """
import asyncio, json, sys
names, served = sys.argv[2:], 0
async def answer(reader, writer):
    global served
    while True:
        try:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
        except asyncio.IncompleteReadError:
            return
        stats, details = [], []
        if b"filter=%5E%24" not in head.split(b"\\r\\n")[0] and b"filter=^$" not in head.split(b"\\r\\n")[0]:
            served += 1
            for name in names:
                own = f"cluster.{name}."
                stats += [{"name": own + "version_text", "value": "1"}]
                stats += [{"name": own + "upstream_rq_completed", "value": 4000 * served}]
                stats += [{"name": own + "upstream_rq_5xx", "value": served}]
                bins = [{"lower_bound": float(edge), "width": 1.0, "count": 100 * served} for edge in range(10, 50)]
                details += [{"name": own + "upstream_rq_time", "totals": bins, "intervals": []}]
            stats += [{"histograms": {"details": details}}]
        body = json.dumps({"stats": stats}).encode()
        writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
        await writer.drain()
async def main():
    server = await asyncio.start_unix_server(answer, sys.argv[1])
    print(flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class _Clock:
    def __init__(self) -> None:
        self.at = time.time()

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


@contextmanager
def world(applications: int, home: Path) -> Iterator[Mapping[Key, Sequence[int]]]:
    """The pids of each release; processes and proxy end with the block."""
    keys = [(AppName(f"app-{number}"), ReleaseId(f"app-{number}-1")) for number in range(applications)]
    command = [sys.executable, "-c", ADMIN, str(home / "admin"), *(cluster_name(*key) for key in keys)]
    started = [subprocess.Popen(["sleep", "600"]) for _ in range(2 * applications)]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert proxy.stdout is not None
        with proxy.stdout as said:
            said.readline()  # it listens
        yield {key: [started[2 * n].pid, started[2 * n + 1].pid] for n, key in enumerate(keys)}
    finally:
        for process in (proxy, *started):
            process.kill()
            process.wait()


async def measure(applications: int, readings: int, home: Path) -> dict[str, Any]:
    """Seconds of processor time for a reading, as a share of the time between two, and what a day of them takes on the disk."""
    with world(applications, home) as running:
        clock = _Clock()
        source = EnvoyMetrics(str(home / "admin"), lambda *_: (None, ()))
        metrics = Kept(source, CounterFiles(home), clock)
        files = UsageFiles(home)
        recorder = Recorder(files, running=lambda: running, meter=ProcessMeter(), metrics=metrics, clock=clock)
        took = []
        for _ in range(readings + 2):
            begun = time.process_time()
            await recorder.turn()
            took.append(time.process_time() - begun)
            await clock.sleep(EVERY)
        await source.close()
        begun = time.process_time()
        kept = files.tidy(clock.now() + 7200)
        tidied = time.process_time() - begun
    seconds = sum(took[2:]) / readings  # the first ones fill caches
    samples = [sample for app in files.apps() for sample in files.read(app)]
    assert all(sample.requests and sample.p95 and sample.memory for sample in samples)
    return {
        "applications": applications,
        "milliseconds_a_reading": seconds * 1000,
        "share_of_a_core": seconds / EVERY,
        "tidying_milliseconds": tidied * 1000,
        "bytes_a_sample": kept.bytes / len(samples),
        "failures": recorder.failures,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when it takes more than 1 % of a core, or a reading was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.recording", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--applications", type=int, default=100)
    parser.add_argument("--readings", type=int, default=60)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as home:
        found = asyncio.run(measure(options.applications, options.readings, Path(home)))
    print(json.dumps(found, indent=1) if options.json else found)
    return int(found["share_of_a_core"] > MOST or found["failures"] > 0)


if __name__ == "__main__":
    sys.exit(main())

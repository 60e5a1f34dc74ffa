"""Counters of one worker in Prometheus' text format. Made and read by ``app``."""

from bisect import bisect_left
from collections import Counter

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds. An API server waits ten; people notice a tenth."""


class Metrics:
    """What happened in this process. ``worker`` tells the processes of one server apart."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._requests: Counter[tuple[str, str]] = Counter()
        self._findings: Counter[tuple[str, str]] = Counter()
        self._seconds = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0
        self.refused = 0
        """Bodies that were no reviews."""
        self.reloads = 0
        self.failed_reloads = 0
        self.rules = 0

    def answered(self, operation: str, *, allowed: bool, seconds: float) -> None:
        """One review."""
        self._requests[operation, str(allowed).lower()] += 1
        self._seconds[bisect_left(BUCKETS, seconds)] += 1
        self._sum += seconds

    def found(self, rule: str, status: str) -> None:
        """One finding that is no pass."""
        self._findings[rule, status] += 1

    def text(self) -> str:
        """Everything, in the exposition format 0.0.4."""
        lines = [
            *_family("shipway_admission_requests_total", "counter", "Reviews answered."),
            *(
                self._line("shipway_admission_requests_total", number, operation=operation, allowed=allowed)
                for (operation, allowed), number in sorted(self._requests.items())
            ),
            *_family("shipway_admission_findings_total", "counter", "Findings that were no pass."),
            *(
                self._line("shipway_admission_findings_total", number, rule=rule, status=status)
                for (rule, status), number in sorted(self._findings.items())
            ),
            *_family("shipway_admission_duration_seconds", "histogram", "Time from body to answer."),
            *self._histogram(),
        ]
        for name, kind, what, value in (
            ("shipway_admission_malformed_total", "counter", "Bodies that were no reviews.", self.refused),
            ("shipway_admission_reloads_total", "counter", "Times that policies were read again.", self.reloads),
            (
                "shipway_admission_reload_failures_total",
                "counter",
                "Times that they could not be.",
                self.failed_reloads,
            ),
            ("shipway_admission_rules", "gauge", "Rules in force.", self.rules),
        ):
            lines += [*_family(name, kind, what), self._line(name, value)]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name, total, lines = "shipway_admission_duration_seconds", 0, []
        for bound, number in zip((*BUCKETS, "+Inf"), self._seconds, strict=True):
            total += number
            lines.append(self._line(f"{name}_bucket", total, le=str(bound)))
        return [*lines, self._line(f"{name}_sum", self._sum), self._line(f"{name}_count", total)]

    def _line(self, name: str, value: float, **labels: str) -> str:
        shown = ",".join(f'{key}="{_quoted(text)}"' for key, text in {**labels, "worker": self._worker}.items())
        return f"{name}{{{shown}}} {value}"


def _family(name: str, kind: str, what: str) -> tuple[str, str]:
    return f"# HELP {name} {what}", f"# TYPE {name} {kind}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""The HTML report as a file."""

from collections.abc import Sequence
from pathlib import Path

from shipway.engine.timeline import Timeline


def write_report(path: Path, timelines: Sequence[Timeline]) -> None:
    """Write the self-contained report; the directory must exist."""
    from shipway.web.report import report

    path.write_text(report(timelines), encoding="utf-8")

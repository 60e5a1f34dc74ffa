"""The HTML report as a file."""

import time
from collections.abc import Sequence
from pathlib import Path

from shipway.engine.timeline import Timeline


def write_report(path: Path, timelines: Sequence[Timeline]) -> None:
    """Write the self-contained report; the directory must exist."""
    from shipway.web.report.page import render_report

    path.write_text(render_report(timelines, "Rollouts", time.time()), encoding="utf-8")

"""The HTML report as a file."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.engine.timeline import Timeline

if TYPE_CHECKING:
    from shipway.web.report import Section


def write_report(path: Path, timelines: Sequence[Timeline], sections: Sequence["Section"] = ()) -> None:
    """Write the self-contained report, with ``sections`` beside the rollouts; the directory must exist."""
    from shipway.web.report.page import render_report

    path.write_text(render_report(timelines, "Rollouts", time.time(), sections), encoding="utf-8")


def write_sections(path: Path, title: str, sections: Sequence["Section"]) -> None:
    """The same without rollouts."""
    from shipway.web.report.page import render_report

    path.write_text(render_report((), title, time.time(), sections), encoding="utf-8")

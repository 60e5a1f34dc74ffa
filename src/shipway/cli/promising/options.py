"""What rules may be asked for with on the command line: labels, windows, alert windows of Sloth."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from shipway.facts.files import read as read_files
from shipway.model.errors import BadInput
from shipway.model.quantities import QuantityError, parse_duration
from shipway.render.slo.burning import AlertWindows
from shipway.render.slo.levels import Window
from shipway.slo.windows import parse_windows, seconds


def labels(pairs: Sequence[str]) -> dict[str, str]:
    """By name.

    Raises:
        BadInput: one is no pair.
    """
    wrong = [pair for pair in pairs if not all(pair.partition("="))]
    if wrong:
        raise BadInput(f"--label: expected KEY=VALUE, got {wrong[0]!r}")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def window(length: str) -> Window:
    """Of that length.

    Raises:
        BadInput: it is none, or shorter than alerts look back.
    """
    try:
        found = seconds(length) or parse_duration(length)
    except QuantityError as error:
        raise BadInput(f"--window: {error}") from error
    if found <= 3 * 86_400:
        raise BadInput("--window: expected more than the three days that the slowest alert looks back")
    return Window(found)


def alert_windows(path: Path | None) -> Mapping[float, AlertWindows]:
    """Of one file, or of every YAML file of a folder, which is how Sloth takes them.

    Raises:
        BadInput: with every problem of every file.
    """
    if path is None:
        return {}
    files = sorted(one for one in path.glob("*.y*ml")) if path.is_dir() else [path]
    read = [parse_windows(source) for source in read_files(files)]
    problems = [problem for _, found in read for problem in found]
    if problems:
        raise BadInput("the alert windows cannot be used", problems=problems)
    return {period: windows for found, _ in read for period, windows in found.items()}

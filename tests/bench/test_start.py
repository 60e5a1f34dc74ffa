"""The start bench, once through."""

import json

import psutil
import pytest

from bench import start

pytestmark = pytest.mark.e2e


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    start.main(["--json", "--runs", "2", "--starts", "1"])  # its exit code depends on how busy the machine is
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"help", "first", "starts", "missed"}
    assert printed["help"]["runs"] == 2
    assert 0 < printed["help"]["median"] <= printed["help"]["max"]
    (once,) = printed["starts"]
    assert 0 < once["up"] < once["deployed"] < once["served"] == printed["first"]["median"]
    left = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"]) if _ours(process)]
    assert left == []


def test_a_failing_command_is_said() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)shipway validate /nowhere failed: .*nowhere"):
        start.shipway("validate", "/nowhere")


def _ours(process: psutil.Process) -> bool:
    return any("shipway-bench-" in word and "/home/" in word for word in process.info["cmdline"] or ())

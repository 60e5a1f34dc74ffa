from collections.abc import Sequence
from pathlib import Path

import pytest

from shipway.engine.service import LogFile
from shipway.facts import tailing
from shipway.facts.tailing import tail


def log(path: Path, *, release: str = "v1", instance: str = "0") -> LogFile:
    return LogFile(release=release, instance=instance, path=str(path))


def texts(files: Sequence[LogFile], count: int = 100) -> list[str]:
    return [line.text for line in tail(lambda: files, count=count, follow=False)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tailing, "_POLL", 0.0)
    monkeypatch.setattr(tailing, "_RELIST", 0.0)


def test_the_last_lines_of_each_instance(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n2\n3\n")
    (tmp_path / "b").write_text("4\n5\n")
    files = [log(tmp_path / "a"), log(tmp_path / "b", instance="1")]
    assert texts(files, count=2) == ["2", "3", "4", "5"]
    assert texts(files, count=0) == []


def test_rotated_files_are_one_log(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_text("1\n2")
    (tmp_path / "log").write_text("3\n")
    assert texts([log(tmp_path / "log.1"), log(tmp_path / "log")], count=2) == ["2", "3"]


def test_any_bytes_are_text(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"caf\xe9\r\n\n\xff\n")
    assert texts([log(tmp_path / "log")]) == ["caf\N{REPLACEMENT CHARACTER}", "", "\N{REPLACEMENT CHARACTER}"]


def test_a_file_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("1\n")
    assert texts([log(tmp_path / "gone"), log(tmp_path / "log")]) == ["1"]


def test_an_endless_line_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tailing, "_MOST", 4)
    (tmp_path / "log").write_text("0123456789\nab\n")
    assert "".join(texts([log(tmp_path / "log")])) == "0123456789ab"


def test_following_through_a_rotation_and_a_new_release(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("1\nhal")
    files = [log(path)]
    lines = tail(lambda: files, count=1, follow=True)
    assert next(lines).text == "1"
    with path.open("a") as file:
        file.write("f\nrest")
    assert next(lines).text == "half"
    path.rename(tmp_path / "log.1")
    path.write_text("after\n")
    assert [next(lines).text, next(lines).text] == ["rest", "after"]
    (tmp_path / "other").write_text("new\n")
    files.append(log(tmp_path / "other", release="v2"))
    found = next(lines)
    assert (found.release, found.text) == ("v2", "new")
    lines.close()  # type: ignore[attr-defined]  # a generator, declared as what its callers need

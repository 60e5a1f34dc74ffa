"""A directory of generated files is replaced as a whole, with what is not ours left alone."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.cli.compiling import replacing
from shipway.cli.compiling.replacing import replace
from shipway.facts.organisations import OWNED
from shipway.model.errors import BadInput, Refused


def files(directory: Path) -> dict[str, str]:
    found = (path for path in directory.rglob("*") if path.is_file() and path.name != OWNED)
    return {path.relative_to(directory).as_posix(): path.read_text() for path in found}


@pytest.fixture(params=["in one step", "in two"])
def out(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "in two":
        monkeypatch.setattr(replacing, "_exchanged", lambda *_: False)
    return tmp_path / "out"


def test_what_is_no_longer_made_goes_and_what_is_not_ours_stays(out: Path) -> None:
    assert replace(out, [("a/x.yaml", b"1"), ("b.yaml", b"2")]) == (2, 2, 0, 0)
    (out / "README").write_text("mine")
    (out / "a" / "link").symlink_to("nowhere")
    assert replace(out, [("a/x.yaml", b"1"), ("c.yaml", b"3")]) == (2, 1, 0, 1)
    assert files(out) == {"a/x.yaml": "1", "c.yaml": "3", "README": "mine"}
    assert (out / "a" / "link").is_symlink()
    assert replace(out, [("c.yaml", b"4")]) == (1, 0, 1, 1)
    assert files(out) == {"c.yaml": "4", "README": "mine"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_error_half_way_leaves_everything_as_it_was(out: Path) -> None:
    replace(out, [("a.yaml", b"1")])

    def failing() -> Iterator[tuple[str, bytes]]:
        yield "a.yaml", b"2"
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        replace(out, failing())
    assert files(out) == {"a.yaml": "1"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_what_a_killed_one_left_is_swept_and_what_another_builds_is_not(out: Path) -> None:
    left, built = out.parent / ".out.shipway-left", out.parent / ".out.shipway-built"
    for folder in (left, built):
        folder.mkdir()
        (folder / "a").write_text("half")
    held = os.open(built, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    replace(out, [("a", b"1")])
    assert sorted(path.name for path in out.parent.iterdir()) == [built.name, "out"]
    os.close(held)
    replace(out, [("a", b"1")])
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_link_stays_one(out: Path) -> None:
    replace(out, [("a", b"1")])
    link = out.parent / "link"
    link.symlink_to("out")
    replace(link, [("a", b"2")])
    assert link.is_symlink()
    assert (out / "a").read_bytes() == b"2"


def test_a_file_of_somebody_else_is_never_overwritten(out: Path) -> None:
    out.mkdir()
    (out / "a.yaml").write_text("mine")
    with pytest.raises(Refused, match="not written by shipway"):
        replace(out, [("a.yaml", b"1")])
    assert files(out) == {"a.yaml": "mine"}


def test_a_place_that_cannot_be_replaced_is_refused(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / ".git").mkdir(parents=True)
    with pytest.raises(Refused, match="Git repository"):
        replace(out, [])
    monkeypatch.chdir(out)
    with pytest.raises(Refused, match="current directory"):
        replace(out.parent, [])
    (out / "file").write_text("")
    with pytest.raises(Refused, match="is a file"):
        replace(out / "file", [])


def test_a_broken_list_of_ours_is_no_licence_to_remove(out: Path) -> None:
    replace(out, [("a.yaml", b"1")])
    (out / OWNED).write_text("{")
    with pytest.raises(Refused, match="cannot be read"):
        replace(out, [("a.yaml", b"2")])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_named(out: Path) -> None:
    out.parent.chmod(0o500)
    with pytest.raises(BadInput, match="cannot write"):
        replace(out, [("a.yaml", b"1")])

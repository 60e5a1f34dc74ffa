"""``shipway plan`` on the example organisation and small changes of it. ``SHIPWAY_UPDATE_GOLDEN=1`` rewrites."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from shipway.plan.changes import compare, snapshot
from shipway.render.compiling import compile_organisation
from tests.cli.shell import Shell
from tests.render.test_example import organisation

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "platform"
GOLDEN = Path(__file__).parent / "golden"
DIGEST = "@sha256:6ce381a94d26f5d1d887d4c68bbb1fb06ea21e619affdae30b5b201654bb8453"
SIDES = ("--platform", "after", "--against", "before")


@pytest.fixture
def after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(EXAMPLE, "before")
    shutil.copytree(EXAMPLE, "after")
    return tmp_path / "after"


def edit(path: Path, before: str, after: str) -> None:
    written = path.read_text()
    assert before in written
    path.write_text(written.replace(before, after))


@pytest.fixture
def cart(after: Path) -> Path:
    path = after / "applications" / "cart.yaml"
    edit(path, "cart:3.0.4", "cart:3.0.5")
    edit(path, "max: 6", "max: 8")
    return path


@pytest.mark.parametrize(("form", "file"), [("text", "plan.txt"), ("markdown", "plan.md")])
def test_a_small_change(shipway: Shell, cart: Path, form: str, file: str) -> None:
    found = shipway("plan", *SIDES, "--format", form, "--traffic", "100")
    assert (found.code, found.err) == (2, "")
    if os.environ.get("SHIPWAY_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / file).write_text(found.out)
    assert found.out == (GOLDEN / file).read_text()


def test_without_a_change_there_is_none(shipway: Shell, after: Path) -> None:
    found = shipway("plan", *SIDES)
    assert (found.code, found.out) == (0, "No changes: every object is as it was.\n")
    assert shipway("plan", *SIDES, "--json").data["changes"] is False


def test_an_organisation_is_equal_to_itself() -> None:
    twice = [list(compile_organisation(organisation(), "prod")) for _ in range(2)]
    assert list(compare(snapshot(twice[0]), twice[1])) == []
    assert len(list(compare({}, twice[1]))) == len(list(compare(snapshot(twice[0]), []))) == len(twice[0])


def test_another_way_to_write_a_quantity_is_no_change(shipway: Shell, after: Path) -> None:
    edit(after / "applications" / "search.yaml", "cpu: 500m", 'cpu: "0.5"')
    assert shipway("plan", *SIDES).code == 0


def test_what_is_committed_is_compared_with_what_is_not(shipway: Shell, after: Path) -> None:
    git = ["git", "-C", str(after), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    assert shipway("plan", "--platform", "after").code == 0
    (after / "applications" / "web.yaml").unlink()
    found = shipway("plan", "web", "--env", "prod", "--platform", "after", "--no-pack", "--json")
    assert found.code == 2
    assert {one["application"] for one in found.data["places"]} == {"web"}
    assert {each["verb"] for one in found.data["places"] for each in one["objects"]} == {"removed"}


def test_what_is_wrong_with_what_is_committed_is_said_to_be_there(shipway: Shell, after: Path) -> None:
    edit(after / "platform.yaml", "kind: Platform", "kind: Platfrm")
    git = ["git", "-C", str(after), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    edit(after / "platform.yaml", "kind: Platfrm", "kind: Platform")
    found = shipway("plan", "--platform", "after")
    assert (found.code, found.err.splitlines()[0].split(" ")[0]) == (1, "HEAD:platform.yaml:3:7")
    assert shipway("plan", "--platform", "after", "--against=--output=x").code == 1
    assert not Path("x").exists()


def test_what_was_not_there_is_added(shipway: Shell, after: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "before"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    found = shipway("plan", "--platform", "after", "--no-pack")
    assert found.code == 2
    total = found.out.splitlines()[-1]
    assert total.startswith("12 applications, ")
    assert "removed" not in total
    assert "changed" not in total


def test_a_policy_that_denies_is_an_error(shipway: Shell, cart: Path) -> None:
    edit(cart, DIGEST, "")
    found = shipway("plan", "--env", "prod", *SIDES, "--json")
    assert (found.code, found.data["refused"]) == (1, True)
    denied = {
        (one["rule"], one["place"]["file"], one["place"]["line"]) for one in found.data["findings"] if one["refuses"]
    }
    assert {(file, line) for _, file, line in denied} == {("after/applications/cart.yaml", 7)}
    assert shipway("plan", "--env", "prod", "--no-pack", *SIDES).code == 2


def test_a_change_of_the_platform_says_whom_it_touches(shipway: Shell, cart: Path) -> None:
    edit(cart.parents[1] / "platform.yaml", "prod-us", "prod-ca")
    found = shipway("plan", "--env", "prod", "--no-pack", *SIDES, "--json")
    assert found.code == 2
    assert len(found.data["platform"]) > 5
    moved = [one for one in found.data["places"] if one["application"] == "web"]
    assert {(one["cluster"], each["verb"]) for one in moved for each in one["objects"]} >= {
        ("prod-us", "removed"),
        ("prod-ca", "added"),
    }


def test_a_value_that_looks_like_a_secret_is_not_shown(shipway: Shell, cart: Path) -> None:
    edit(cart, "  visibility: private\n", "  visibility: private\n  env: {DB_PASSWORD: hunter2-the-second}\n")
    found = shipway("plan", "cart", "--no-pack", *SIDES)
    assert "hunter2" not in found.out
    assert "DB_PASSWORD" in found.out
    judged = shipway("plan", "cart", *SIDES, "--format", "json")  # findings bring the facts that they are about
    assert "DB_PASSWORD" in judged.out
    assert "hunter2" not in judged.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("plan --env prd", "there is no environment `prd`; did you mean `prod`?"),
        ("plan crat", "there is no application `crat`; did you mean `cart`?"),
        ("plan --format txt", "did you mean `text`?"),
        ("plan --traffic 0", "expected requests per second above 0, got 0"),
        ("plan --against nowhere", "nowhere is neither a directory nor a revision"),
        ("plan --colour", "no such option: --colour"),
    ],
)
def test_an_error_is_never_taken_for_a_change(shipway: Shell, after: Path, words: str, message: str) -> None:
    sides = SIDES if "--against" not in words else SIDES[:2]
    found = shipway(*words.split(), *sides)
    assert found.code == 1
    assert message in found.err
    assert shipway(*words.split(), *sides, "--json").error["exit_code"] == 1


def test_the_risk_of_a_change_is_told_from_what_git_says_of_it(shipway: Shell, after: Path) -> None:
    git = ["git", "-C", str(after), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    cart = after / "applications" / "cart.yaml"
    edit(cart, "cart:3.0.4", "cart:3.0.5")
    words = ("plan", "cart", "--env", "prod", "--platform", "after", "--no-pack", "--json")
    (small,) = shipway(*words).data["risks"]
    cart.write_text(cart.read_text() + "# many a word\n" * 3000)
    (large,) = shipway(*words).data["risks"]
    assert "small change" in [one["text"] for one in small["risk"]["reasons"]]
    assert "large change" in [one["text"] for one in large["risk"]["reasons"]]
    assert large["risk"]["probability"] > small["risk"]["probability"]

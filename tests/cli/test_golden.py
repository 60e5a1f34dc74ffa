"""The golden paths: what `shipway init TEMPLATE NAME` makes works as it is."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from shipway.cli.compiling.golden import TEMPLATES
from shipway.cli.controlling import starting
from shipway.spec import Source, parse_documents
from tests.cli.shell import Shell

ROOT = Path(__file__).resolve().parents[2]
COMMON = {
    "application.yaml", "Dockerfile", "Makefile", "README.md", ".github/workflows/pipeline.yaml", ".gitlab-ci.yml",
    "service/__main__.py", "tests/test_web.py", "platform.yaml", "policies/policies.yaml",
}  # fmt: skip
CLEAN = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MAKEFLAGS", "PORT")}


@pytest.fixture
def made(request: pytest.FixtureRequest, shipway: Shell, tmp_path: Path) -> Path:
    """The repository of a template, the test's parameter."""
    result = shipway("init", request.param, tmp_path / "orders", "--team", "shop", "--json")
    assert (result.code, result.err) == (0, "")
    assert set(result.data["files"]) >= COMMON
    return tmp_path / "orders"


each = pytest.mark.parametrize("made", TEMPLATES, indirect=True)


@each
def test_nothing_is_left_to_fill_in(made: Path) -> None:
    parsed = parse_documents([Source("application.yaml", (made / "application.yaml").read_bytes())])
    assert parsed.problems == ()
    [application] = parsed.applications
    assert (application.metadata.name, application.metadata.team) == ("orders", "shop")
    assert f"spec:\n  archetype: {application.spec.archetype}" in (made / "application.yaml").read_text()
    for file in made.rglob("*"):
        assert file.suffix != ".jinja"
        if file.is_file():
            assert not re.search(r"\{\{ ?(name|team|template)\b|\{%", file.read_text()), file
    assert not list(made.parent.glob(".orders-*"))


@pytest.mark.parametrize("made", ["web-app"], indirect=True)
def test_the_pipelines_have_every_gate(made: Path) -> None:
    github = yaml.safe_load((made / ".github/workflows/pipeline.yaml").read_text())
    gitlab = yaml.safe_load((made / ".gitlab-ci.yml").read_text())
    assert list(github["jobs"]) == ["check", "scan", "plan", "build", "deploy"]
    assert gitlab["stages"] == ["check", "plan", "build", "scan-image", "sign", "deploy"]
    check = (made / "Makefile").read_text().partition("check:")[2]
    for gate in ("ruff format --check", "ruff check", "coverage report", "detect-secrets-hook", "shipway validate"):
        assert gate in check
    for pipeline in (github["jobs"], gitlab):
        words = json.dumps(pipeline)
        for gate in ("make check", "shipway plan --against", "trivy", "cosign sign", "cosign verify", "shipway deploy"):
            assert gate in words


@pytest.mark.parametrize("made", ["web-app"], indirect=True)
def test_no_gate_is_passed_by(made: Path) -> None:
    """Nothing is built before it is checked, nothing deployed that was not built, scanned and signed."""
    jobs = yaml.safe_load((made / ".github/workflows/pipeline.yaml").read_text())["jobs"]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "check": None, "scan": None, "plan": "check", "build": ["check", "scan"], "deploy": "build",
    }  # fmt: skip
    order = [step.get("name") for step in jobs["build"]["steps"]]
    assert order.index("Build") < order.index("Scan") < order.index("Push") < order.index("Sign")
    assert all("if" not in step for step in jobs["build"]["steps"] if step.get("name") in ("Build", "Scan"))
    gitlab = yaml.safe_load((made / ".gitlab-ci.yml").read_text())
    stages = [gitlab[name]["stage"] for name in ("check", "plan", "build", "scan-image", "sign", "deploy")]
    assert stages == gitlab["stages"]
    assert not any("needs" in job or "allow_failure" in job for job in gitlab.values() if isinstance(job, dict))
    assert "fail_under = 80" in (made / "pyproject.toml").read_text()


@pytest.mark.parametrize("made", ["ml-model"], indirect=True)
def test_the_image_has_two_stages_and_no_root(made: Path) -> None:
    lines = (made / "Dockerfile").read_text().splitlines()
    stages = [index for index, line in enumerate(lines) if line.startswith("FROM ")]
    assert len(stages) == 2
    (user,) = (line for line in lines[stages[-1] :] if line.startswith("USER "))
    assert int(user.split()[1].partition(":")[0]) > 0


@each
def test_the_pipeline_can_plan_and_validate(made: Path, shipway: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the jobs ``check`` and ``plan`` ask of shipway: valid files, and a plan that no policy denies."""
    monkeypatch.chdir(made)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    asked = re.search(r"\$\(BIN\)/shipway (validate .*)", Path("Makefile").read_text())
    assert asked is not None
    assert shipway(*asked[1].split()).code == 0
    assert shipway("plan", "--against", "HEAD", "--format", "markdown").code == 0
    application = Path("application.yaml")
    application.write_text(application.read_text().replace(":0.1.0", ":0.2.0"))
    found = shipway("plan", "--against", "HEAD", "--format", "markdown")
    assert (found.code, "orders:0.2.0" in found.out) == (2, True), found.out + found.err
    application.write_text(application.read_text().replace(":0.2.0", ":latest"))
    assert shipway("plan", "--against", "HEAD").code == 1  # a rule says no


@pytest.mark.e2e
@pytest.mark.parametrize("made", [pytest.param(t, marks=[pytest.mark.slow] * (t != "web-app")) for t in TEMPLATES],
                         indirect=True)  # fmt: skip
def test_its_tests_pass(made: Path) -> None:
    run = subprocess.run(
        ["make", "test", f"PYTHON={sys.executable} -W error"],
        cwd=made,
        env=CLEAN,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"Ran \d+ tests", run.stderr)


@pytest.mark.slow
@each
def test_its_sources_pass_its_own_linter(made: Path) -> None:
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert ruff is not None
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        run = subprocess.run([ruff, *command, "."], cwd=made, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout


@pytest.fixture
def ended(home: Path) -> Iterator[None]:
    yield
    if (home / "proxy").exists():
        starting.end(home)


@pytest.mark.slow
@pytest.mark.e2e
@each
def test_it_runs(made: Path, shipway: Shell, ended: None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shipway("up", "--detach")
    deployed = shipway("deploy", made / "application.yaml", "--set", f"spec.port={port}", "--watch")
    assert deployed.code == 0, deployed.err + deployed.out
    end = time.monotonic() + 20
    while (answer := httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)).status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (answer.text, answer.headers["x-release"]) == ("ok\n", "v1")
    assert "http_requests_total" in httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["webapp", "shop"], (2, 'there is no template "webapp"; did you mean `web-app`?')),
        (["something", "shop"], (2, "There are web-app, api-service")),
        (["web-app", "My Shop"], (2, "expected a name of lower-case letters")),
        (["web-app", "shop-"], (2, 'got "shop-"')),
        (["web-app", "x" * 64], (2, "at most 63")),
        (["web-app", "shop", "--team", "Ünder"], (2, "expected a team of")),
        (["web-app"], (2, "expected a NAME after the template")),
        (["web-app", "full"], (1, "is already there")),
        (["web-app", "file"], (1, "is already there")),
        (["web-app", "file/shop"], (1, "ile")),
    ],
)
def test_what_cannot_be_made_leaves_nothing_behind(
    shipway: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: tuple[int, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    result, (code, said) = shipway("init", *words), expected
    assert (result.code, said in result.err) == (code, True), result.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "mine"]


def test_an_empty_directory_is_filled(shipway: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "cd shop" in shipway("init", "web-app", "shop").out
    assert (tmp_path / "shop" / "application.yaml").is_file()


def test_a_template_that_breaks_leaves_nothing_behind(
    shipway: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "templates"
    for layer in ("base", "web-app"):
        (broken / layer).mkdir(parents=True)
        (broken / layer / "file").write_text("whole")
    (broken / "web-app" / "copier.yml").write_text("_templates_suffix: [")
    monkeypatch.setattr("shipway.cli.compiling.golden._templates", lambda: broken)
    monkeypatch.setattr("shipway.facts.home.CRASHES", "crashes")
    assert shipway("init", "web-app", tmp_path / "new" / "shop").code != 0
    assert list((tmp_path / "new").iterdir()) == []

import json
from pathlib import Path

import pytest

from shipway.cli.compiling.documents import _label
from shipway.spec import Source, parse_documents
from tests.cli.shell import Shell

GOOD = Path(__file__).resolve().parents[1] / "spec" / "good"


def test_init_writes_a_file_that_is_valid_and_named_after_its_directory(shipway: Shell, tmp_path: Path) -> None:
    result = shipway("init", tmp_path / "My Shop")
    path = tmp_path / "My Shop" / "application.yaml"
    assert (result.code, result.err) == (0, "")
    assert f"shipway deploy {path} --watch" in result.out
    parsed = parse_documents([Source(str(path), path.read_text())])
    assert [one.metadata.name for one in parsed.applications] == ["my-shop"]


def test_init_here(shipway: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipway("init", "--json").data["file"] == "application.yaml"


def test_init_never_touches_a_file(shipway: Shell, tmp_path: Path) -> None:
    path = tmp_path / "application.yaml"
    path.write_text("mine")
    result = shipway("init", tmp_path)
    assert (result.code, path.read_text()) == (1, "mine")
    assert "already there" in result.err


@pytest.mark.parametrize(
    ("directory", "name"), [("shop", "shop"), ("-Ünder_Score-", "nder-score"), ("...", "hello"), ("x" * 90, "x" * 63)]
)
def test_any_directory_gives_a_name(directory: str, name: str) -> None:
    assert _label(directory) == name


def test_validate_accepts_every_good_file(shipway: Shell) -> None:
    for file in sorted(GOOD.glob("*.yaml")):
        result = shipway("validate", file)
        assert (result.code, result.err) == (0, ""), file
        assert "valid: " in result.out


def test_validate_prints_every_problem_of_every_file(shipway: Shell, tmp_path: Path) -> None:
    bad = GOOD.parent / "bad"
    files = [bad / "field-misspelt.yaml", bad / "slo-latency.yaml"]
    result = shipway("validate", *files)
    assert (result.code, result.out) == (2, "")
    for file in files:
        # The golden corpus names files without their directory.
        expected = file.with_suffix(".txt").read_text().splitlines()[0].partition(":")[2].rpartition(" [")[0]
        assert f"{file}:{expected}" in result.err
    assert result.err.splitlines()[-1].endswith("errors")
    error = shipway("validate", *files, "--json").error
    assert {problem["file"] for problem in error["problems"]} == set(map(str, files))


def test_validate_names_every_file_that_cannot_be_read(shipway: Shell, tmp_path: Path) -> None:
    result = shipway("validate", tmp_path / "no", tmp_path)
    assert result.code == 2
    assert "No such file" in result.err
    assert "Is a directory" in result.err


@pytest.mark.parametrize("kind", ["application", "Platform", "PriceCatalogue"])
def test_schema_is_the_published_one(shipway: Shell, kind: str) -> None:
    published = GOOD.parents[2] / "schemas" / f"{kind.lower()}.schema.json"
    assert shipway("schema", kind).data == json.loads(published.read_text())
    assert shipway("schema", kind, "--json").data == json.loads(published.read_text())


def test_schema_of_something_else(shipway: Shell) -> None:
    error = shipway("schema", "aplication", "--json").error
    assert "did you mean `application`?" in error["message"]


def test_a_policy_set_is_checked_too(shipway: Shell, tmp_path: Path) -> None:
    good = "apiVersion: shipway.dev/v1alpha1\nkind: PolicySet\nmetadata: {name: acme}\nspec: {default: audit}\n"
    file = tmp_path / "policies.yaml"
    file.write_text(good)
    assert "policies acme" in shipway("validate", file).out
    file.write_text(good.replace("default", "defaullt"))
    result = shipway("validate", file)
    assert (result.code, "did you mean `default`?" in result.err) == (2, True)

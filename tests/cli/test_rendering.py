"""render, catalog and explain on the example organisation, and on one that is wrong."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from shipway.render.truth import Contradiction
from tests.cli.shell import Shell

EXAMPLE = Path(__file__).parents[2] / "examples" / "platform"
AT = ("--platform", EXAMPLE)


def test_render_writes_a_directory_and_says_what_changed(shipway: Shell, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = shipway("render", "--env", "staging", "--env", "dev", "--out", out, *AT)
    assert (first.code, first.out) == (0, f"{out}: 25 files; 25 new, 0 changed, 0 removed.\n")
    documents = list(yaml.safe_load_all((out / "dev/dev-eu/cart.yaml").read_text()))
    assert documents[0]["kind"] == "Namespace"
    again = shipway("render", "cart", "--env", "dev", "--out", out, "--json", *AT)
    assert again.data == {"directory": str(out), "files": 1, "added": 0, "changed": 0, "removed": 24}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "shipway" / "compiled"


def test_what_was_compiled_is_remembered_until_a_file_changes(shipway: Shell, tmp_path: Path, cache: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(EXAMPLE, copy)
    ask = ("render", "cart", "--env", "dev", "--platform", copy)
    first = shipway(*ask)
    (entry,) = cache.iterdir()
    assert shipway(*ask).out == first.out
    entry.write_text('[["dev/dev-eu/cart.yaml", "remembered: yes\\n"]]')
    assert "remembered: yes" in shipway(*ask).out
    entry.write_text("{")
    assert shipway(*ask).out == first.out
    path = copy / "applications" / "cart.yaml"
    path.write_text(path.read_text().replace("cart:3.0.4", "cart:3.0.5"))
    assert "cart:3.0.5" in shipway(*ask).out
    assert len(list(cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_none(shipway: Shell, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file in the way")
    assert shipway("render", "cart", "--env", "dev", *AT).code == 0


def test_what_was_rendered_into_the_organisation_is_no_part_of_it(shipway: Shell, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(EXAMPLE, copy)
    for _ in range(2):
        again = shipway("render", "cart", "--env", "dev", "--platform", copy, "--out", copy / "rendered", "--json")
        assert (again.code, again.data["files"]) == (0, 1), again.err
    assert len(shipway("catalog", "--platform", copy, "--json").data) == 12


def test_render_prints_without_a_directory(shipway: Shell) -> None:
    found = shipway("render", "ml-inference", "--env", "prod", *AT)
    assert found.code == 0
    assert found.out.startswith("# prod/prod-eu/ml-inference.yaml\n")
    kinds = [document["kind"] for document in yaml.safe_load_all(found.out.replace("# prod/", "--- #"))]
    assert kinds.count("Deployment") == 2
    as_data = shipway("render", "ml-inference", "--env", "prod", "--json", *AT)
    assert [each["path"] for each in as_data.data] == [
        "prod/prod-eu/ml-inference.yaml",
        "prod/prod-us/ml-inference.yaml",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("render crat", "there is no application `crat`; did you mean `cart`?"),
        ("render --env prd", "there is no environment `prd`; did you mean `prod`?"),
        ("render --format yml", "there is no format `yml`; did you mean `yaml`?"),
        ("explain cart prd spec.port", "there is no environment `prd`; did you mean `prod`?"),
        ("explain settlement dev spec.port", "there is no application in dev `settlement`"),
        ("explain cart prod spec.prot", "cart has no value `spec.prot`; did you mean `spec.port`?"),
        (
            "explain cart prod Deploymnt.spec",
            "there is no kind of object of cart `Deploymnt`; did you mean `Deployment`?",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_one_that_was_meant(
    shipway: Shell, words: str, message: str
) -> None:
    found = shipway(*words.split(), *AT, "--json")
    assert (found.code, found.error["message"]) == (2, message)


def test_nothing_is_written_when_anything_is_wrong(shipway: Shell, tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(
        "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: acme}\nspec: {environments: {dev: {}}}\n"
    )
    (tmp_path / "app.yaml").write_text(
        "apiVersion: shipway.dev/v1alpha1\nkind: Application\nmetadata: {name: a}\n"
        "spec:\n  archetype: api-service\n  image: a:1\n  dependsOn: [b, c]\n"
    )
    (tmp_path / "other.yaml").write_text("kind: Application\napiVersion: argoproj.io/v1alpha1\n")
    found = shipway("render", "--out", tmp_path / "out", "--platform", tmp_path, "--json")
    assert (found.code, [each["code"] for each in found.error["problems"]]) == (2, ["unknown-application"] * 2)
    assert not (tmp_path / "out").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert shipway("catalog", "--platform", empty).code == 2
    assert shipway("catalog", "--platform", empty / "nowhere").code == 2


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An organisation of one application, in two folders."""
    (tmp_path / "applications").mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "platform.yaml").write_text(
        "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: acme}\nspec: {environments: {dev: {}}}\n"
    )
    (tmp_path / "applications" / "a.yaml").write_text(
        "apiVersion: shipway.dev/v1alpha1\nkind: Application\nmetadata: {name: a}\n"
        "spec: {archetype: api-service, image: a:1}\n"
    )
    (tmp_path / "policies" / "set.yaml").write_text("kind: none\n")
    return tmp_path


@pytest.mark.parametrize("name", [".", "applications", "policies"])
def test_render_does_not_replace_what_it_compiles(shipway: Shell, small: Path, name: str) -> None:
    found = shipway("render", "--platform", small, "--out", small / name)
    assert found.code == 2
    assert "holds files of the organisation" in found.err
    assert not list(small.rglob(".shipway-owned.json"))


def test_render_comes_beside_files_of_others_in_the_organisation(shipway: Shell, small: Path) -> None:
    (small / "rendered").mkdir()
    (small / "rendered" / "other.yaml").write_text("kind: Application\napiVersion: argoproj.io/v1alpha1\n")
    for _ in range(2):
        assert shipway("render", "--platform", small, "--out", small / "rendered").code == 0


def test_a_pipe_is_not_waited_for_and_another_encoding_is_said(shipway: Shell, small: Path) -> None:
    os.mkfifo(small / "pipe.yaml")
    assert [row["application"] for row in shipway("catalog", "--json", "--platform", small).data] == ["a"]
    text = (small / "applications" / "a.yaml").read_text().replace("name: a", "name: b")
    (small / "applications" / "b.yaml").write_text(text, encoding="utf-16")
    assert "UTF-8" in shipway("catalog", "--platform", small).err


def test_a_defect_of_ours_is_called_one(shipway: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (Contradiction("dev-eu", "cart/Service/cart", "port", "its port leads nowhere"),)
    monkeypatch.setattr("shipway.render.truth.contradictions", lambda *_, **__: wrong)
    found = shipway("render", "--out", tmp_path / "out", *AT)
    assert found.code == 1
    assert "dev-eu: cart/Service/cart: its port leads nowhere [port]" in found.err
    assert not (tmp_path / "out").exists()


def test_catalog_lists_the_applications(shipway: Shell) -> None:
    lines = shipway("catalog", *AT).out.splitlines()
    assert lines[0].split() == ["application", "team", "system", "archetype", "environments", "depends", "on"]
    assert len(lines) == 13
    rows = {row["application"]: row for row in shipway("catalog", "--json", *AT).data}
    assert rows["settlement"]["dependsOn"] == ["ledger:admin", "bucket s3/reports"]
    assert rows["settlement"]["environments"] == ["staging", "prod"]


def test_explain_shows_the_chain_of_a_field(shipway: Shell) -> None:
    (chain,) = shipway("explain", "ml-inference", "prod", "spec.replicas", "--json", *AT).data
    assert chain["value"] == 5
    assert [(link["depth"], link["kind"], link["value"]) for link in chain["links"]] == [
        (1, "environment override", 5),
        (2, "environment default", 2),
    ]
    assert all(link["line"] and link["file"].endswith(".yaml") for link in chain["links"])


def test_explain_shows_an_entry_of_a_list_that_somebody_gave_as_a_whole(shipway: Shell) -> None:
    (step,) = shipway("explain", "checkout", "prod", "spec.delivery.steps[1].weight", "--json", *AT).data
    assert step["value"] == "25%"
    assert [(link["kind"], link["words"]) for link in step["links"]] == [("application", "spec.delivery.steps")]
    (called,) = shipway("explain", "checkout", "prod", "spec.dependsOn[1]", "--json", *AT).data
    assert called["value"] == "inventory"
    for field in ("spec.delivery.steps[9]", "spec.delivery.steps[1].wait", "spec.dependsOn[", "spec.dependsOn[0].x[y]"):
        assert shipway("explain", "checkout", "prod", field, *AT).code == 2


def test_explain_shows_the_chain_of_an_object(shipway: Shell) -> None:
    field = "Deployment.spec.template.spec.containers[0].resources.limits.cpu"
    lines = shipway("explain", "web", "dev", field, *AT).out.splitlines()
    assert lines[0] == f"Deployment/web.{field.removeprefix('Deployment.')} = 100m"
    assert [line.strip().split(":")[0] for line in lines[1:]] == ["derived", "application", "environment default"]
    named = shipway("explain", "web", "dev", "NetworkPolicy/default-deny.spec.podSelector", *AT)
    assert named.out.splitlines()[0] == "NetworkPolicy/default-deny.spec.podSelector = {}"


def test_explain_says_where_clusters_differ(shipway: Shell) -> None:
    ask = ("explain", "web", "prod", "PrometheusRule.spec.groups[0].labels", *AT)
    field = "PrometheusRule/web.spec.groups[0].labels"
    said = [line for line in shipway(*ask).out.splitlines() if line.startswith("PrometheusRule")]
    assert said == [
        f"{field}.environment = prod",
        f"{field}.cluster = prod-eu  [prod-eu]",
        f"{field}.cluster = prod-us  [prod-us]",
    ]
    chosen = shipway(*ask, "--cluster", "prod-us").out
    assert f"{field}.cluster = prod-us\n" in chosen
    assert "prod-eu" not in chosen
    wrong = shipway(*ask, "--cluster", "prod-usa")
    assert (wrong.code, "did you mean `prod-us`?" in wrong.err) == (2, True)

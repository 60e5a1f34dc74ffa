"""The policy verbs as a user runs them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.shell import Shell
from tests.policy.samples import DEPLOYMENT, vap

SET = """\
apiVersion: shipway.dev/v1alpha1
kind: PolicySet
metadata: {name: acme}
spec:
  default: deny
  parameters: {allowed-registries: "registry.example.com,ghcr.io/acme"}
  exceptions:
    - name: legacy
      rules: [require-*, run-as-non-root, read-only-root-filesystem, drop-capabilities, disallow-default-service-account]
      subjects: [{kind: Deployment}]
      owner: payments
      reason: Being moved.
      ticket: OPS-12
      expires: EXPIRES
  freezes:
    - {name: Stocktaking, from: 2026-01-01, until: 2099-01-01, environments: [prod]}
"""
APPLICATION = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  archetype: api-service
  image: docker.io/acme/shop:1
  replicas: 2
  budget: $100/month
"""


@pytest.fixture
def web(tmp_path: Path) -> Path:
    file = tmp_path / "web.yaml"
    file.write_text(DEPLOYMENT)
    return file


def policies(tmp_path: Path, expires: str = "2099-01-01") -> Path:
    directory = tmp_path / "policies"
    directory.mkdir(exist_ok=True)
    (directory / "set.yaml").write_text(SET.replace("EXPIRES", expires))
    return directory


def test_check_points_to_the_value_and_says_what_to_do(shipway: Shell, web: Path) -> None:
    result = shipway("policy", "check", web)
    assert result.code == 1
    assert f"{web}:15:18: deny disallow-latest-tag: expected a tag other than latest" in result.out
    assert 'spec.template.spec.containers[1].image = "envoy:latest"' in result.out
    assert "fix: Name a version" in result.out
    assert "1 object in 1 file:" in result.out.splitlines()[-1]


def test_check_in_json_and_with_nothing_wrong(shipway: Shell, web: Path, tmp_path: Path) -> None:
    found = shipway("policy", "check", web, "--json").data
    assert found["summary"]["refused"] == len(
        [one for one in found["findings"] if one["action"] == "deny" and one["status"] == "fail"]
    )
    assert shipway("policy", "check", web, "--no-pack").code == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    assert shipway("policy", "check", empty).out == "0 objects in 0 files: nothing to check\n"


def test_own_policies_beside_the_pack(shipway: Shell, web: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(vap("few", validations=[{"expression": "object.spec.replicas <= 5"}])))
    result = shipway("policy", "check", web, "--no-pack", "--policies", own)
    assert (result.code, result.out.splitlines()[0].split(": ", 1)[1]) == (
        1,
        "deny few: failed expression: object.spec.replicas <= 5",
    )
    assert shipway("policy", "explain", "few", "--policies", own).out.startswith("few: ")


def test_a_policy_set_excepts_counts_and_names_what_expired(shipway: Shell, web: Path, tmp_path: Path) -> None:
    held = shipway("policy", "check", web, "--policies", policies(tmp_path), "--json").data
    assert held["summary"]["excepted"] > 5
    assert not [one for one in held["findings"] if one["rule"] == "expired-exception" and one["status"] == "fail"]
    expired = shipway("policy", "check", web, "--policies", policies(tmp_path, "2026-01-01"))
    assert expired.code == 1
    assert (
        "set.yaml:14:16: deny expired-exception: exception legacy of payments expired 2026-01-01 (OPS-12)"
        in expired.out
    )
    assert "excepted" not in expired.out.splitlines()[-1]


def test_a_misspelt_rule_in_a_policy_set_is_told(shipway: Shell, web: Path, tmp_path: Path) -> None:
    directory = policies(tmp_path)
    (directory / "set.yaml").write_text(
        (directory / "set.yaml").read_text().replace("run-as-non-root", "run-as-nonroot")
    )
    assert (
        "set.yaml warning spec: no rule here is called `run-as-nonroot`"
        in shipway("policy", "check", web, "-p", directory).err
    )


def test_applications_budgets_registries_and_freezes(shipway: Shell, tmp_path: Path) -> None:
    file, known = tmp_path / "shop.yaml", tmp_path / "facts.yaml"
    file.write_text(APPLICATION)
    known.write_text("cost: {monthly: 111.0}\n")
    result = shipway("policy", "check", file, "--policies", policies(tmp_path), "--env", "prod", "--facts", known)
    lines = [line for line in result.out.splitlines() if line.startswith(str(file))]
    assert [line.removeprefix(f"{file}:").split(": ")[:2] for line in lines] == [
        ["3:18", "deny change-window"],
        ["6:10", "deny allowed-registries"],
        ["6:10", "deny require-image-digest"],
        ["8:11", "deny cost-within-budget"],
    ]
    fine = shipway("policy", "check", file, "--facts", known, "--policies", policies(tmp_path))
    assert "change-window" not in fine.out


def test_secrets_are_not_shown(shipway: Shell, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  DB_PASSWORD: hunter2isgreat\n")
    result = shipway("policy", "check", file)
    assert result.code == 1
    assert f"{file}:5:16: deny disallow-plain-secrets" in result.out
    assert 'data.DB_PASSWORD = "hu***"' in result.out
    assert "hunter2isgreat" not in result.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "nowhere"], "no such file"),
        (["check", "WEB", "--format", "pdf"], "expected one of text, json"),
        (["check", "WEB", "--policies", "BAD"], "bad.yaml:2"),
        (["check", "BAD"], "bad.yaml:2"),
        (["explain", "run-as-nonroot"], "run-as-non-root"),
        (["export", "--to", "opa"], "vap, kyverno, gatekeeper"),
        (["test", "EMPTY"], "no tests found"),
        (["serve"], "--certificate"),
        (["check", "SHOP", "--platform", "EMPTY"], "there is nothing to compile"),
        (["check", "SHOP", "--platform", "nowhere"], "nowhere is no directory"),
        (["check", "SHOP", "--facts", "FACTS"], "facts.yaml:1:17 error cost.monthly: expected a number, got 'lots'"),
        (["check", "SHOP", "--facts", "FACTS"], "`trafic` is no fact; did you mean `traffic`?"),
        (["check", "SHOP", "--facts", "BAD"], "bad.yaml:2"),
        (["serve", "--certificate", "nowhere", "--key", "nowhere"], "nowhere cannot be read"),
        (["serve", "--certificate", "FACTS", "--key", "FACTS"], "expected PEM"),
        (["serve", "--plain-http", "--inventory", "nowhere"], "no such file"),
        (["serve", "--plain-http", "--inventory", "BAD"], "bad.yaml:2"),
        (["serve", "--plain-http", "--remember", "--workers", "2"], "expected one worker"),
    ],
)
def test_bad_input_exits_with_2(shipway: Shell, web: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "bad.yaml").write_text("a: [\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "facts.yaml").write_text("cost: {monthly: lots}\nshop: {trafic: {requestsPerSecond: 1}, image: {}}\n")
    (tmp_path / "shop.yaml").write_text(APPLICATION)
    names = {name.upper(): tmp_path / f"{name}.yaml" for name in ("bad", "facts", "shop")}
    names |= {"WEB": web, "EMPTY": tmp_path / "empty"}
    result = shipway("policy", *(names.get(one, one) for one in arguments))
    assert result.code == 2
    assert said in result.err


def test_pipes_below_a_directory_are_not_waited_for(shipway: Shell, web: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "around").symlink_to(tmp_path)
    assert "1 object in 1 file" in shipway("policy", "check", tmp_path, "--no-pack").out
    asked = shipway("policy", "check", tmp_path / "pipe.yaml")
    assert (asked.code, "expected a file or a directory" in asked.err) == (2, True)


def test_many_files_over_processes_say_the_same(shipway: Shell, tmp_path: Path) -> None:
    for number in range(130):
        (tmp_path / f"{number:03}.yaml").write_text(DEPLOYMENT.replace("name: web", f"name: web-{number}"))
    one = shipway("policy", "check", tmp_path, "--processes", "1", "--format", "sarif")
    two = shipway("policy", "check", tmp_path, "--processes", "2", "--format", "sarif")
    assert one.out == two.out
    assert "web-129" in two.out


def test_objects_are_judged_without_what_compiles_applications_and_reads_the_journal(web: Path) -> None:
    script = (
        "import sys; from shipway.cli.policing.checking import Check, check\n"
        f"print(check(Check(paths=({str(web)!r},))).objects, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    objects, *modules = done.stdout.split()
    assert objects == "1"
    assert not {"sqlalchemy", "httpx", "numpy", "shipway.plan.releasing", "shipway.render.compiling"} & set(modules)


def test_test_runs_tests(shipway: Shell, tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text(
        yaml.safe_dump(vap("few", validations=[{"expression": "object.spec.replicas <= 5"}]))
    )
    case = {"name": "seven", "objects": [yaml.safe_load(DEPLOYMENT)], "expect": {"few": "pass"}}
    test = {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "PolicyTest",
        "metadata": {"name": "t"},
        "spec": {"policies": ["few.yaml"], "cases": [case]},
    }
    (tmp_path / "few_test.yaml").write_text(yaml.safe_dump(test))
    result = shipway("policy", "test", tmp_path)
    assert result.code == 1
    assert "seven: few: expected pass, got fail" in result.out
    case["expect"] = {"fewer": "skip"}
    (tmp_path / "few_test.yaml").write_text(yaml.safe_dump(test))
    assert "seven: fewer: no rule here is called so" in shipway("policy", "test", tmp_path).out
    case["expect"] = {"few": "fail"}
    (tmp_path / "few_test.yaml").write_text(yaml.safe_dump(test))
    assert shipway("policy", "test", tmp_path).out.splitlines()[-1] == "1 of 1 passed"


def test_test_judges_admission_policies_of_kyvernos_tests(shipway: Shell, tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text(
        yaml.safe_dump(vap("few", validations=[{"expression": "object.spec.replicas <= 5"}]))
    )
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)
    row = {"policy": "few", "isValidatingAdmissionPolicy": True, "resources": ["web"], "kind": "Deployment"}
    test = {
        "apiVersion": "cli.kyverno.io/v1alpha1",
        "kind": "Test",
        "metadata": {"name": "t"},
        "policies": ["few.yaml"],
        "resources": ["web.yaml"],
        "results": [{**row, "result": "pass"}],
    }
    (tmp_path / "kyverno-test.yaml").write_text(yaml.safe_dump(test))
    result = shipway("policy", "test", tmp_path)
    assert (result.code, result.out.splitlines()[-1]) == (1, "0 of 1 passed")
    test["results"] = [{**row, "result": "fail"}]
    (tmp_path / "kyverno-test.yaml").write_text(yaml.safe_dump(test))
    assert shipway("policy", "test", tmp_path).out.splitlines()[-1] == "1 of 1 passed"


def test_list_and_export(shipway: Shell) -> None:
    rules = {one["id"]: one for one in shipway("policy", "list", "--json").data["rules"]}
    assert rules["require-image-digest"]["enforced"] == "off"
    assert rules["disallow-privileged"]["controls"]
    exported = shipway("policy", "export", "--to", "kyverno")
    assert "left out cost-within-budget" in exported.err
    assert {one["kind"] for one in yaml.safe_load_all(exported.out)} == {"ValidatingPolicy"}


def test_a_port_that_is_taken_is_told(shipway: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = shipway("policy", "serve", "--plain-http", "--port", taken.getsockname()[1])
    assert found.code == 6
    assert "Address already in use" in found.err


def test_an_application_without_a_platform_is_judged_as_written_and_that_is_told(
    shipway: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(APPLICATION)
    found = shipway("policy", "check", file)
    assert f"{file}:1:1 warning: Applications are judged as they are written" in found.err
    platform = "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: p}\nspec: {environments: {dev: {}, prod: {}}}\n"
    (tmp_path / "platform.yaml").write_text(platform)
    beside = shipway("policy", "check", tmp_path)
    assert beside.err == ""
    assert "require-image-digest: expected an image with a digest, found docker.io/acme/shop:1" in beside.out
    assert "Application shop in prod" in beside.out


def test_a_secret_that_was_found_is_not_spread_with_the_facts(shipway: Shell, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(APPLICATION + "  env: {DB_PASSWORD: hunter2-the-second}\n")
    found = shipway("policy", "check", file, "--json")
    assert "DB_PASSWORD" in found.out
    assert "hunter2" not in found.out


def test_a_broken_policy_set_among_the_files_is_told(shipway: Shell, tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(SET.replace("default: deny", "default: denied").replace("EXPIRES", "2099-01-01"))
    found = shipway("policy", "check", tmp_path)
    assert (found.code, "did you mean `deny`" in found.err) == (2, True)


REGO = """package main
import rego.v1
deny contains msg if {
    input.kind == "Deployment"
    input.spec.replicas < 50
    msg := sprintf("%d replicas", [input.spec.replicas])
}
deny contains msg if {
    some container in input.spec.template.spec.containers
    not startswith(container.image, "ghcr.io/")
    msg := container.name
}
"""
KYVERNO = """
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: k}
spec:
  rules:
    - name: cpu
      match: {any: [{resources: {kinds: [Deployment]}}]}
      validate:
        failureAction: Enforce
        foreach:
          - list: request.object.spec.template.spec.containers
            deny: {conditions: {any: [{key: "{{ element.resources.requests.cpu }}", operator: GreaterThan, value: 1m}]}}
    - name: team
      match: {any: [{resources: {kinds: [Deployment]}}]}
      validate: {failureAction: Enforce, pattern: {metadata: {labels: {shipway.dev/team: nobody}}}}
"""
ORGANISATION = Path(__file__).parents[2] / "examples" / "platform"


def test_rendered_objects_are_found_in_what_they_are_rendered_from(shipway: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text(REGO)
    (tmp_path / "k.yaml").write_text(KYVERNO)
    files = [ORGANISATION / "platform.yaml", ORGANISATION / "applications" / "ledger.yaml"]
    found = shipway("policy", "check", *files, "--policies", tmp_path, "--no-pack", "--env", "prod", "--json").data
    bad = [one for one in found["findings"] if one["status"] == "fail" and one["subject"]["kind"] == "Deployment"]
    said = {}
    for one in bad:
        line = Path(one["place"]["file"]).read_text().splitlines()[one["place"]["line"] - 1]
        said[".".join(map(str, one["path"]))] = line[one["place"]["column"] - 1 :], one["found"], one["allowed"]
    assert said["spec.replicas"] == ("3}", "3", "")
    assert said["metadata.labels.shipway.dev/team"][0].startswith("finance, system: books")
    assert said["metadata.labels.shipway.dev/team"][1:] == ('"finance"', "`nobody`")
    image = said["spec.template.spec.containers.0.image"][0]
    assert image.startswith("registry.example.com/ledger:")
    cpu = said["spec.template.spec.containers.0.resources.requests.cpu"]
    assert cpu[0].startswith("250m")  # a profile of the Platform says so
    assert cpu[2] == "at most 1m"


def test_every_built_in_rule_is_explained_with_what_keeps_and_what_breaks_it(shipway: Shell) -> None:
    rules = [one["id"] for one in shipway("policy", "list", "--json").data["rules"]]
    shown = {rule: shipway("policy", "explain", rule, "--json").data["examples"] for rule in rules}
    assert all(list(examples) == ["keeps", "breaks"] and all(examples.values()) for examples in shown.values())
    out = shipway("policy", "explain", "cost-within-budget").out
    assert out.index("# What keeps it:\napiVersion: facts.shipway.dev/v1") < out.index("# What breaks it:")

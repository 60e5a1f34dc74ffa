"""Layers: which value holds in an environment, and where it came from."""

from collections.abc import Mapping

import pytest

from shipway.model.errors import BadInput
from shipway.spec import Origin, Resolved, resolve
from tests.spec.corpus import HEAD, parse

PLATFORM = """\
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  environments:
    dev: {}
    prod:
      defaults:
        replicas: 3
        delivery: {onInconclusive: extend}
  defaults:
    env: {REGION: eu, LEVEL: info}
    resources: {cpu: 250m, memory: 128Mi, factor: 0.8}
    delivery: {keep: 1h, affinity: cookie}
---
"""


def resolved(lines: str, environment: str = "", *sets: str, platform: str = PLATFORM, head: str = HEAD) -> Resolved:
    parsed = parse(platform + head + lines, *sets)
    assert parsed.problems == ()
    return resolve(parsed.declared[0], parsed.declared_platform, environment)


def origins(found: Resolved, *paths: str) -> list[str]:
    return [f"{found.provenance[path].kind}:{found.provenance[path].line}" for path in paths]


def test_without_a_platform_the_file_stands() -> None:
    found = resolved("  replicas: 2\n", "anywhere", platform="")
    assert found.application.spec.replicas == 2
    assert found.provenance["spec.replicas"] == Origin("application", "f.yaml", 8, 13)
    assert found.provenance["spec.port"] == Origin("default")


def test_the_strongest_layer_holds() -> None:
    found = resolved(
        "  env: {LEVEL: warn}\n  environments:\n    prod: {env: {EXTRA: x}, delivery: {rollback: manual}}\n", "prod"
    )
    spec = found.application.spec
    assert spec.env == {"REGION": "eu", "LEVEL": "warn", "EXTRA": "x"}
    assert (spec.replicas, spec.delivery.keep, spec.delivery.on_inconclusive, spec.delivery.rollback) == (
        3,
        3600.0,
        "extend",
        "manual",
    )
    assert origins(found, "spec.env.REGION", "spec.env.LEVEL", "spec.env.EXTRA") == [
        "platform default:12",
        "application:23",
        "environment override:25",
    ]
    assert origins(found, "spec.replicas", "spec.delivery.keep", "spec.delivery.rollback", "spec.delivery.alpha") == [
        "environment default:9",
        "platform default:14",
        "environment override:25",
        "default:0",
    ]


def test_another_environment_is_untouched() -> None:
    found = resolved("  environments:\n    prod: {env: {EXTRA: x}}\n", "dev")
    assert found.application.spec.env == {"REGION": "eu", "LEVEL": "info"}
    assert found.application.spec.replicas is None
    assert found.application.spec.environments == {}


def test_a_word_changes_one_field_and_keeps_the_rest() -> None:
    found = resolved("  delivery: canary\n  environments: {dev: {delivery: direct}}\n", "dev").application.spec.delivery
    assert (found.strategy, found.keep) == ("direct", 3600.0)


def test_automatic_resources_take_numbers_out_but_not_the_factor() -> None:
    resources = resolved("  resources: auto\n").application.spec.resources
    assert (resources.cpu, resources.memory, resources.factor) == (None, None, 0.8)


@pytest.mark.parametrize(
    ("written", "environment", "replicas", "bounds"),
    [
        ("  replicas: 2\n  environments: {dev: {scale: {min: 1, max: 4}}}\n", "dev", None, (1, 4)),
        ("  scale: {min: 1, max: 4}\n  environments: {dev: {replicas: 1}}\n", "dev", 1, None),
        ("  scale: {min: 1, max: 4}\n", "prod", None, (1, 4)),
        ("  scale: {min: 1, max: 4}\n  environments: {dev: {scale: {max: 9}}}\n", "dev", None, (1, 9)),
    ],
)
def test_replicas_and_scale_replace_each_other(
    written: str, environment: str, replicas: int | None, bounds: tuple[int, int] | None
) -> None:
    spec = resolved(written, environment).application.spec
    assert spec.replicas == replicas
    assert (spec.scale and (spec.scale.min, spec.scale.max)) == bounds


def test_affinity_is_replaced_as_a_whole() -> None:
    text = PLATFORM.replace("dev: {}", "dev: {defaults: {delivery: {affinity: {header: x-user-id}}}}")
    found = resolved("", "dev", platform=text)
    assert found.application.spec.delivery.affinity.routing.by == "header"
    assert found.provenance["spec.delivery.affinity"].kind == "environment default"
    plain = resolved("", platform=text)
    assert plain.application.spec.delivery.affinity.routing.by == "cookie"
    assert plain.provenance["spec.delivery.affinity"].kind == "platform default"


@pytest.mark.parametrize("archetype", ["background-worker", "scheduled-job"])
def test_what_answers_no_requests_is_delivered_directly(archetype: str) -> None:
    schedule = "  schedule: 0 3 * * *\n" if archetype == "scheduled-job" else ""
    found = resolved(schedule, head=HEAD.replace("api-service", archetype))
    assert found.application.spec.delivery.strategy == "direct"
    assert found.provenance["spec.delivery.strategy"] == Origin("default")


def test_a_job_runs_once_unless_its_own_file_or_archetype_says_otherwise() -> None:
    job, schedule = HEAD.replace("api-service", "scheduled-job"), "  schedule: 0 3 * * *\n"
    assert resolved(schedule, "prod", head=job).application.spec.replicas is None
    assert resolved(schedule + "  replicas: 2\n", "prod", head=job).application.spec.replicas == 2
    scaled = PLATFORM.replace("\n  defaults:\n", "\n  defaults:\n    scale: {min: 1, max: 3}\n")
    assert resolved(schedule, "prod", head=job, platform=scaled).application.spec.scale is None


def test_the_command_line_is_an_origin() -> None:
    found = resolved("", "prod", "image=shop:2", "env.LEVEL=debug", platform="")
    assert found.provenance["spec.image"] == Origin("command line", "--set image=shop:2")
    assert found.provenance["spec.env.LEVEL"].kind == "command line"


def test_the_command_line_holds_against_an_override() -> None:
    lines = "  environments: {prod: {image: 'old:1', env: {LEVEL: warn, KEEP: x}, scale: {max: 9}}}\n"
    found = resolved(lines, "prod", "image=shop:2", "env.LEVEL=debug", "replicas=2")
    spec = found.application.spec
    assert (spec.image, spec.env["LEVEL"], spec.env["KEEP"], spec.replicas, spec.scale) == (
        "shop:2",
        "debug",
        "x",
        2,
        None,
    )
    assert found.provenance["spec.replicas"] == Origin("command line", "--set replicas=2")
    assert found.provenance["spec.env.KEEP"].kind == "environment override"


def test_the_command_line_can_set_an_override() -> None:
    found = resolved("", "prod", "environments.prod.replicas=7")
    assert found.application.spec.replicas == 7


def test_an_environment_that_the_platform_does_not_name() -> None:
    with pytest.raises(BadInput, match="no environment `prd`; did you mean `prod`") as wrong:
        resolved("", "prd")
    assert wrong.value.hint == "there is dev, prod; environments are named in f.yaml"


def test_every_leaf_has_an_origin() -> None:
    found = resolved("  dependsOn: [inventory]\n", "prod")

    def leaves(data: Mapping[str, object], path: str) -> list[str]:
        inner = ((f"{path}{key}", value) for key, value in data.items())
        return [
            leaf
            for name, value in inner
            for leaf in (leaves(value, f"{name}.") if isinstance(value, dict) and value else [name])
        ]

    whole = {
        path for path in leaves(found.application.document(), "") if not path.startswith("spec.delivery.affinity.")
    }
    assert whole | {"spec.delivery.affinity"} == set(found.provenance)


def test_resolving_is_repeatable() -> None:
    parsed = parse(PLATFORM + HEAD + "  environments: {prod: {replicas: 5}}\n")
    first = resolve(parsed.declared[0], parsed.declared_platform, "prod")
    assert resolve(parsed.declared[0], parsed.declared_platform, "dev").application.spec.replicas is None
    assert resolve(parsed.declared[0], parsed.declared_platform, "prod") == first

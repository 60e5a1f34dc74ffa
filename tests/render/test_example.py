"""The example organisation: valid, in agreement with itself, explained to the last leaf, and the same to the byte.

Every object is pinned by a digest; some applications are kept in full, to be read. ``SHIPWAY_UPDATE_GOLDEN=1`` rewrites.
"""

import hashlib
import os
import random
import re
from functools import cache
from pathlib import Path

import msgspec
import pytest
import yaml

from shipway.render import argo, flagger
from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.context import Context
from shipway.render.formats import plain_yaml
from shipway.render.rendered import Rendered, leaves, path_text
from shipway.render.tracing import plain
from shipway.render.translations import Translate
from shipway.render.truth import contradictions
from shipway.spec.organisation import Organisation, read_organisation
from shipway.spec.reading import Source
from tests.render.schemas import catalogue, problems
from tests.spec.test_organisation import example

GOLDEN = Path(__file__).parent / "golden" / "platform"
FULL = (
    "prod/prod-eu/payment-service",
    "prod/prod-us/settlement",
    "prod/prod-eu/search",
)


@cache
def organisation() -> Organisation:
    found, _ = read_organisation(example())
    assert found is not None
    return found


@cache
def everything() -> tuple[Compiled, ...]:
    known = organisation()
    return tuple(one for environment in known.environments for one in compile_organisation(known, environment))


def test_every_object_is_what_its_api_accepts() -> None:
    known = catalogue()
    objects = [each.object for one in everything() for each in one.objects]
    assert len(objects) > 500
    assert not {str(each["metadata"]): found for each in objects if (found := problems(each, known))}


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_objects_agree_with_each_other(environment: str) -> None:
    assert contradictions([one for one in everything() if one.environment == environment]) == ()


@pytest.mark.parametrize("translate", [lambda found: found, argo.argo_rollouts, flagger.flagger])
def test_every_leaf_says_why(translate: Translate) -> None:
    """Each leaf of each object has a reason, and each reason that is written somewhere stands where it says."""
    lines = {source.file: bytes(source.text).decode().splitlines() for source in example()}
    for one in everything():
        for each in translate(one.objects):
            assert plain(each.object) == each.object, "what is wrapped must be plain already"
            assert set(each.provenance) == set(each.values) == {path_text(path) for path, _ in leaves(each.object)}
            for reason in each.provenance.values():
                assert reason.words or reason.field
                assert reason.kind != "derived" or all(cause.field for cause in reason.because)
                for written in [reason, *reason.because]:
                    if written.line:
                        said = lines[written.file][written.line - 1]
                        assert any(word in said for word in words(each, written.field)), (written, said)


def words(each: Rendered, field: str) -> set[str]:
    """Words that may stand where a field is written: a part of its path, or of that of the first value inside a map."""
    inside = each.context.resolved.provenance if isinstance(each.context, Context) else {}
    paths = [field, *(path for path in inside if path.startswith(field))]
    return {word for path in paths for word in re.split(r"[.\[]", path)}


def test_no_secret_and_no_null_is_written() -> None:
    for one in everything():
        for each in one.objects:
            assert each.identity[1] != "Secret"
            assert all(value is not None for value in each.values.values())


def test_the_bytes_are_pinned() -> None:
    files = dict(plain_yaml(organisation(), everything()))
    digests = "".join(
        f"{hashlib.sha256(msgspec.json.encode([each.object for each in one.objects])).hexdigest()[:16]}  {len(one.objects):>2}  {one.environment}/{one.cluster}/{one.application}\n"
        for one in everything()
    )
    kept = {"digests.txt": digests} | {
        f"{name.rpartition('/')[2]}.yaml": files[f"{name}.yaml"].decode() for name in FULL
    }
    if os.environ.get("SHIPWAY_UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for name, text in kept.items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    assert kept == {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.iterdir()}


def test_the_files_say_what_was_compiled() -> None:
    files = dict(plain_yaml(organisation(), everything()))
    for one in everything():
        written = files[f"{one.environment}/{one.cluster}/{one.application}.yaml"]
        assert list(yaml.load_all(written, yaml.CSafeLoader)) == [each.object for each in one.objects]


def test_neither_the_order_of_files_nor_of_documents_leaves_a_trace() -> None:
    sources = example()
    random.Random(7).shuffle(sources)
    platform = next(source for source in sources if source.file == "platform.yaml")
    rest = [source for source in sources if source is not platform]
    in_one = Source("all.yaml", b"\n---\n".join(bytes(source.text) for source in [*rest, platform]))
    for shuffled in (sources, [in_one]):
        found, found_problems = read_organisation(shuffled)
        assert found is not None
        assert not found_problems
        objects = [
            each.object
            for name in found.environments
            for one in compile_organisation(found, name)
            for each in one.objects
        ]
        assert objects == [each.object for one in everything() for each in one.objects]
        assert msgspec.json.encode(objects) == msgspec.json.encode(
            [each.object for one in everything() for each in one.objects]
        )


def test_an_application_alone_is_compiled_as_among_all() -> None:
    only = list(compile_organisation(organisation(), "prod", frozenset({"checkout"})))
    assert [one.cluster for one in only] == ["prod-eu", "prod-us"]
    among = [one for one in everything() if one.environment == "prod" and one.application == "checkout"]
    assert [[each.object for each in one.objects] for one in only] == [
        [each.object for each in one.objects] for one in among
    ]
    assert contradictions(only, complete=False) == ()

"""The Envoy documents: byte-stable, whole for every Routes there can be, and as in the golden files."""

import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.model.ids import AppName, Generation, ReleaseId
from shipway.model.routing import Affinity, CanaryMatch, Routes
from shipway.model.weights import Weights, weights
from shipway.render import envoy

GOLDEN = Path(__file__).with_name("golden")
FILES = envoy.Files("/state/proxy")
SHOP = AppName("shop")
V1, V2 = ReleaseId("v1"), ReleaseId("v2")

PLAIN = Routes(SHOP, 8080, weights({V1: 100.0}), Generation(1))
CANARY = Routes(SHOP, 8080, weights({V1: 94.99, V2: 5.01}), Generation(7), V2, CanaryMatch("x-canary", "canary"))
COOKIE = Routes(SHOP, 8080, weights({V1: 75.0, V2: 25.0}), Generation(8), V2, affinity=Affinity("cookie", "shop.id"))
HEADER = Routes(SHOP, 8080, weights({V1: 50.0, V2: 50.0}), Generation(9), V2, affinity=Affinity("header", "x-user"))

DOCUMENTS = {
    "bootstrap": envoy.bootstrap(FILES, "admin.sock"),
    "listeners": envoy.listener_document([PLAIN], FILES),
    "clusters": envoy.cluster_document([(SHOP, V1)], FILES),
    "endpoints": envoy.endpoint_document(SHOP, V1, [21001, 21002]),
    "routes-plain": envoy.route_document(PLAIN),
    "routes-canary": envoy.route_document(CANARY),
    "routes-cookie": envoy.route_document(COOKIE),
    "routes-header": envoy.route_document(HEADER),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_as_in_the_golden_files(name: str) -> None:
    """To accept a change: delete tests/render/golden/NAME.json, run again, review the diff."""
    golden = GOLDEN / f"{name}.json"
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(envoy.encode(DOCUMENTS[name]))
        pytest.fail(f"wrote {golden}: review it and run again")
    assert envoy.encode(DOCUMENTS[name]) == golden.read_bytes()


names = st.from_regex(r"v[1-9][0-9]{0,2}", fullmatch=True).map(ReleaseId)


@st.composite
def some_weights(draw: st.DrawFn) -> Weights:
    releases = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=len(releases) - 1, max_size=len(releases) - 1)))
    edges = [0, *cuts, 10_000]
    parts = [high - low for low, high in itertools.pairwise(edges)]
    return weights({name: part / 100 for name, part in zip(releases, parts, strict=True)})


affinities = st.sampled_from([Affinity(), Affinity("cookie", "id"), Affinity("header", "x-user")])
matches = st.sampled_from([CanaryMatch(), CanaryMatch(header="x-canary"), CanaryMatch("x-canary", "canary")])
every_routes = st.builds(
    Routes,
    app=st.just(SHOP),
    port=st.integers(1024, 65535),
    weights=some_weights(),
    generation=st.integers(0, 10_000).map(Generation),
    canary=st.none() | names,
    match=matches,
    affinity=affinities,
)


def found_routes(routes: Routes) -> list[dict[str, Any]]:
    document: Any = json.loads(envoy.encode(envoy.route_document(routes)))
    (host,) = document["resources"][0]["virtual_hosts"]
    return list(host["routes"])


def splits(routes: Routes) -> list[list[dict[str, Any]]]:
    return [
        r["route"]["weighted_clusters"]["clusters"] for r in found_routes(routes) if "weighted_clusters" in r["route"]
    ]


@given(every_routes)
def test_weights_are_whole_parts_of_ten_thousand_and_the_canary_is_first(routes: Routes) -> None:
    for clusters in splits(routes):
        assert sum(cluster["weight"] for cluster in clusters) == envoy.WEIGHT_TOTAL
        told = {cluster["name"]: cluster["weight"] / 100 for cluster in clusters}
        assert told == pytest.approx({envoy.cluster_name(SHOP, name): share for name, share in routes.weights})
        if routes.weights.of(routes.canary):
            assert clusters[0]["name"] == envoy.cluster_name(SHOP, routes.canary or V1)


@given(every_routes)
def test_some_route_matches_every_request_and_none_retries(routes: Routes) -> None:
    found = found_routes(routes)
    assert found[-1]["match"] == {"prefix": "/"}
    assert all(r["route"]["retry_policy"]["num_retries"] == 0 for r in found)
    assert all("retry_on" not in r["route"]["retry_policy"] for r in found)


@given(every_routes)
def test_only_clusters_that_the_cluster_document_can_have_are_named(routes: Routes) -> None:
    arms = [(SHOP, name) for name, _ in routes.weights] + ([(SHOP, routes.canary)] if routes.canary else [])
    clusters: Any = envoy.cluster_document(arms, FILES)["resources"]
    named = set(re.findall(r'"(?:name|cluster)": "(shop/[^"]+)"', json.dumps(found_routes(routes))))
    assert named <= {cluster["name"] for cluster in clusters}


@given(every_routes)
def test_pinned_requests_stay_out_of_the_measured_clusters(routes: Routes) -> None:
    pinned = [r["route"]["cluster"] for r in found_routes(routes) if "cluster" in r["route"]]
    assert all(name.endswith("/pinned") for name in pinned)
    choices = (bool(routes.match.header) + bool(routes.match.cookie)) if routes.canary else 0
    others = any(name != routes.canary for name, _ in routes.weights)
    assert len(pinned) == choices * (1 + others)


@given(every_routes, every_routes)
def test_equal_routes_have_equal_versions_and_different_ones_do_not(one: Routes, other: Routes) -> None:
    first, second = envoy.route_document(one), envoy.route_document(other)
    assert envoy.encode(first) == envoy.encode(envoy.route_document(one))
    assert (envoy.version_of(first) == envoy.version_of(second)) == (first == second)
    assert envoy.version_of(first).startswith(f"{one.generation}-")


def cookie_pattern(routes: Routes) -> str:
    matcher: Mapping[str, Any] = found_routes(routes)[0]["match"]["headers"][0]
    return str(matcher["string_match"]["safe_regex"]["regex"])


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        ("shop.id=7", True),
        ("a=b; shop.id=7; c=d", True),
        ("a=b;shop.id=7", True),
        ("shop.id=", False),
        ("shopxid=7", False),
        ("my-shop.id=7", False),
        ("a=shop.id=7", False),
    ],
)
def test_the_affinity_cookie_is_found_and_nothing_else(header: str, matches: bool) -> None:
    assert bool(re.fullmatch(cookie_pattern(COOKIE), header)) == matches


def test_a_rising_weight_only_adds_clients_to_the_canary() -> None:
    """What Envoy does with the list: the first cluster whose cumulative weight lies above the hash."""
    before: set[int] = set()
    for share in (1, 5, 25, 50, 100):
        routes = Routes(
            SHOP, 8080, weights({V1: 100.0 - share, V2: float(share)}), Generation(1), V2, affinity=HEADER.affinity
        )
        (clusters,) = splits(routes)
        canary = next(cluster for cluster in clusters if cluster["name"].endswith("v2"))
        now = {value for value in range(0, 10_000, 7) if value < canary["weight"]} if clusters[0] is canary else set()
        assert before < now
        before = now

"""OpenCost's answers: in the shape that its API documents, whole or with what is wrong left out and named."""

import json
from decimal import Decimal
from typing import Any

import pytest

from shipway.cost.opencost import read
from shipway.model.errors import BadInput


def allocation(name: str, **more: Any) -> dict[str, Any]:
    """As `/allocation/compute` gives them: every field a number, times in RFC 3339."""
    found = {
        "name": name,
        "properties": {"cluster": "cluster-one", "namespace": "shop", "labels": {"app_kubernetes_io_name": "shop"}},
        "window": {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"},
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-11-01T06:16:00Z",
        "cpuCoreHours": 2.82,
        "cpuCost": 0.053402,
        "cpuCostAdjustment": -0.003402,
        "ramByteHours": 2.0**30,
        "ramCost": 0.002174,
        "pvCost": 0.0,
        "sharedCost": 0.01,
        "totalCost": 0.062174,
        "pvs": None,
        **more,
    }
    return {name: {key: value for key, value in found.items() if value is not ...}}


def answer(*sets: Any) -> str:
    return json.dumps({"code": 200, "data": list(sets)})


def test_allocations_become_charges_and_idle_is_kept_apart() -> None:
    labels = {"app_kubernetes_io_name": "shop", "shipway_dev_team": "front", "shipway_dev_environment": "prod"}
    properties = {"cluster": "cluster-one", "labels": {**labels, "app_kubernetes_io_version": "1.2"}}
    idle = allocation("cluster-one/__idle__", cpuCost=0.5, totalCost=0.508772, properties={"cluster": "cluster-one"})
    found = read("a.json", answer(allocation("pod", properties=properties), None, idle))
    (one,) = found.charges
    assert one.parts == {"cpu": Decimal("0.05"), "memory": Decimal("0.002174"), "shared": Decimal("0.01")}
    assert one.quantities == {"cpu": Decimal("2.82"), "memory": 1}
    assert (one.owner.app, one.owner.team, one.owner.environment, one.owner.release) == ("shop", "front", "prod", "1.2")
    assert one.end - one.start == 22_560
    assert found.idle == {"cluster-one": Decimal("0.508772")}
    assert found.problems == ()


def test_a_cost_of_nothing_that_opencost_says_is_known() -> None:
    free = dict.fromkeys(("cpuCost", "cpuCostAdjustment", "ramCost", "sharedCost", "totalCost"), 0.0)
    (one,) = read("a.json", answer(allocation("x", **free))).charges
    assert one.parts == {"cpu": 0, "memory": 0}


def test_without_labels_the_namespace_or_the_name_says_whose_it_is() -> None:
    found = read("a.json", answer(allocation("x", properties={"namespace": "ns"}), allocation("y", properties={})))
    assert [one.owner.app for one in found.charges] == ["ns", "y"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"cpuCost": -1.0}, "cpuCost is -1.0"),
        ({"cpuCost": "much"}, "expected a number in cpuCost, got 'much'"),
        ({"cpuCost": None}, "expected a number in cpuCost, got None"),
        ({"totalCost": 5.0}, "its parts come to 0.062174, its totalCost is 5"),
        ({"start": "yesterday"}, "Invalid isoformat"),
        ({"start": "2026-11-01T07:00:00Z"}, "ends before it starts"),
        ({"end": ..., "window": {}}, "expected a time in end"),
    ],
)
def test_what_cannot_be_is_left_out_and_named(more: dict[str, Any], said: str) -> None:
    found = read("a.json", answer(allocation("good") | allocation("bad", **more)))
    assert len(found.charges) == 1
    assert found.problems[0].startswith("a.json: data[0].bad: ")
    assert said in found.problems[0]


@pytest.mark.parametrize("text", ["", "{", '{"data": {}}', "[]", '{"data": [NaN]}', b"\xff"])
def test_what_is_no_answer(text: str | bytes) -> None:
    with pytest.raises(BadInput, match=r"a\.json"):
        read("a.json", text)


def test_entries_that_are_no_allocations() -> None:
    found = read("a.json", '{"data": [3, {"x": 4}]}')
    assert found.charges == ()
    assert len(found.problems) == 2

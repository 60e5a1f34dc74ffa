"""The controller's answers, and every way in which they can fail to come."""

import json
from pathlib import Path

import pytest

from shipway.model.errors import BadInput, ControllerUnreachable, JournalError, NotFound, ShipwayError, VersionConflict
from shipway.model.problems import Problem
from shipway.web.api.client import Client
from tests.cli.stub import Stub, application, controller, rollout

REQUEST = ("GET", "/v1/controller")


def test_views_arrive_as_they_were_sent(home: Path, stub: Stub) -> None:
    with Client(home) as client:
        assert client.controller() == controller()
        assert client.application("shop") == application()
        assert client.rollouts() == (rollout(),)


def test_names_cannot_escape_from_their_place_in_the_address(home: Path, stub: Stub) -> None:
    with Client(home) as client, pytest.raises(ShipwayError):
        client.application("../controller?x=1")
    assert stub.asked[0][1] == "/v1/applications/../controller%3Fx=1"


def test_the_socket_is_where_the_address_file_says(home: Path, tmp_path: Path, stub: Stub) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "controller.address").write_text(f"{stub.socket}\n")
    with Client(other) as client:
        assert client.controller() == controller()


@pytest.mark.parametrize("error", [NotFound("none"), VersionConflict("moved"), JournalError("full", hint="make room")])
def test_errors_arrive_as_they_were_raised(home: Path, stub: Stub, error: ShipwayError) -> None:
    stub.answers[REQUEST] = error
    with Client(home) as client, pytest.raises(type(error)) as caught:
        client.controller()
    assert type(caught.value) is type(error)
    assert (caught.value.message, caught.value.hint) == (error.message, error.hint)


def test_bad_input_brings_its_problems(home: Path, stub: Stub) -> None:
    problems = (Problem("a.yaml", 1, 2, "spec", "code", "message"),)
    stub.answers[REQUEST] = BadInput("no", problems=problems)
    with Client(home) as client, pytest.raises(BadInput) as caught:
        client.controller()
    assert caught.value.problems == problems


def test_an_error_of_a_newer_controller_is_still_an_error(home: Path, stub: Stub) -> None:
    class Newer(ShipwayError):
        code = "invented-tomorrow"

    stub.answers[REQUEST] = Newer("what is this")
    Newer.code = "invented-the-day-after"  # so that no class of that code is known here
    stub.answers[REQUEST] = Newer("what is this")
    with Client(home) as client, pytest.raises(ShipwayError, match="what is this"):
        client.controller()


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"version": 3}'])
def test_an_answer_of_another_version_is_not_a_traceback(home: Path, stub: Stub, answer: bytes) -> None:
    stub.answers[REQUEST] = answer
    with Client(home) as client, pytest.raises(ShipwayError, match="makes no sense to this version") as caught:
        client.controller()
    assert "shipway down" in caught.value.hint


def test_nobody_there(tmp_path: Path) -> None:
    with Client(tmp_path) as client, pytest.raises(ControllerUnreachable, match="no controller answers") as caught:
        client.controller()
    assert "shipway up --detach" in caught.value.hint


def test_a_socket_that_its_controller_left_behind(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "controller.sock"))
    with Client(tmp_path) as client, pytest.raises(ControllerUnreachable):
        client.controller()


def test_a_watch_gives_every_view_and_ends_with_the_controller(home: Path, stub: Stub) -> None:
    sent = [application(settled=False), application()]
    stub.answers["GET", "/v1/applications/shop/watch"] = sent
    with Client(home) as client:
        views = client.watch("shop")
        assert [next(views), next(views)] == sent
        with pytest.raises(ControllerUnreachable, match="has gone away"):
            next(views)


def test_a_watch_of_nothing_is_an_error_not_silence(home: Path, stub: Stub) -> None:
    stub.answers["GET", "/v1/applications/shop/watch"] = NotFound("no shop")
    with Client(home) as client, pytest.raises(NotFound, match="no shop"):
        next(client.watch("shop"))


def test_what_is_asked_is_what_the_contract_says(home: Path, stub: Stub) -> None:
    app = "/v1/applications/shop"
    stub.answers |= {("POST", f"{app}/undo"): application(), ("POST", f"{app}/promote"): application()}
    stub.answers |= {("GET", f"{app}/logs"): {"files": []}, ("GET", f"{app}/explain"): {"text": "so"}}
    stub.answers |= {("POST", "/v1/controller/shutdown"): {}, ("POST", "/v1/deployments"): {"applications": []}}
    with Client(home) as client:
        client.undo("shop", "v1", "ann")
        client.act("shop", "promote", by="ann", full=True)
        assert client.logs("shop", "v1") == ()
        assert client.explain("shop", "spec.port").text == "so"
        client.shut_down()
        client.deploy([{"file": "a", "text": "b"}], sets=[], environment="", by="ann", directory="/d")
    assert [json.loads(json.dumps(one)) for one in stub.asked] == [
        ["POST", f"{app}/undo", {"to": "v1", "by": "ann"}],
        ["POST", f"{app}/promote", {"by": "ann", "full": True, "reason": ""}],
        ["GET", f"{app}/logs?release=v1", None],
        ["GET", f"{app}/explain?field=spec.port", None],
        ["POST", "/v1/controller/shutdown", {}],
        [
            "POST",
            "/v1/deployments",
            {
                "files": [{"file": "a", "text": "b"}],
                "sets": [],
                "environment": "",
                "by": "ann",
                "directory": "/d",
            },
        ],
    ]

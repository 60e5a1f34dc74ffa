"""What people can ask for: what they get, and what they are told when they cannot have it."""

import re

import msgspec
import pytest

from shipway.engine import service
from shipway.engine.promised import written
from shipway.engine.service import DeployRequest, SourceFile, label_of
from shipway.model.commits import Commit, NoCommit, pseudonym
from shipway.model.errors import BadInput, JournalError, NotFound, Refused, ShipwayError
from shipway.rollout.states import Phase
from shipway.runtimes.sim.behaviour import Behaviour
from shipway.spec import Source, parse_documents, resolve
from shipway.testing.journals import HostileJournal, MemoryJournal
from tests.engine.desk import PLATFORM_FILE, Desk, application, desk, platform
from tests.engine.world import GOOD, SHOP, V1, V2, V3, simulated

MORE = """\
  environments: {dev: {}, prod: {}}
  metrics: {cartAbandonment: {unit: ratio}}
  prices: {cpu: $36/hour}
  local: {drain: 1s, crashLimit: 7}
"""


def check_line(text: str) -> str:
    return f"    check: ['{text}']\n"


async def live_desk() -> Desk:
    found = await desk()
    found.deploy(application())
    await found.world.settled()
    return found


def fair(more: str) -> SourceFile:
    """The shop with one step in which costs can be compared."""
    text = application().text
    steps = "      - {weight: 50%, for: 200s}\n"
    return SourceFile("shop.yaml", text[: text.index("      - {weight: 5%")] + steps + more)


# --- deploying ----------------------------------------------------------------------------------------------------


@simulated
async def test_a_deployment_begins_a_rollout() -> None:
    it = await desk()
    (first,) = it.deploy(application()).applications
    assert (first.app, first.release, first.rollout, first.changed) == ("shop", "v1", "shop-1", True)
    assert first.message == "rollout begun"
    await it.world.settled()
    (second,) = it.deploy(application(version="2")).applications
    assert (second.release, second.rollout) == ("v2", "shop-2")
    await it.world.settled()
    view = it.service.application("shop")
    assert (view.live, view.settled, view.weights, view.url) == ("v2", True, {"v2": 100.0}, "http://127.0.0.1:8080")
    assert [release.label for release in view.releases] == ["1", "2"]
    assert view.releases[1].instances[0].state == "ready"
    it.world.check()


@simulated
async def test_the_same_again_changes_nothing_whether_live_or_on_the_way() -> None:
    it = await desk()
    it.deploy(application())
    (again,) = it.deploy(application()).applications
    assert (again.changed, again.release, again.rollout) == (False, "v1", "shop-1")
    assert again.message == "v1 is the same and already being rolled out"
    await it.world.settled()
    (again,) = it.deploy(application()).applications
    assert (again.changed, again.release, again.rollout, again.message) == (False, "v1", "", "v1 is the same and live")
    assert len(it.world.of(type(it.world.events()[0]))) == 1


@pytest.mark.parametrize(("authors", "kept"), [("names", "Ada"), ("hashed", pseudonym("ADA "))])
def test_a_release_remembers_its_commit_and_the_author_as_the_platform_says(authors: str, kept: str) -> None:
    @simulated
    async def play() -> None:
        it = await desk(platform(MORE + f"  authors: {authors}\n"))
        request = DeployRequest(
            files=(application(),), directory="/srv", commits={"shop": Commit(sha="a1", author="Ada")}
        )
        it.service.deploy(request)
        it.deploy(application("other", port=8081))
        await it.world.settled()
        mine, other = (it.service.application(name).releases[0].commit for name in ("shop", "other"))
        assert mine == Commit(sha="a1", author=kept)
        assert other == NoCommit("whoever released it did not say")
        await it.world.die()
        await it.world.start()
        assert it.world.engine.state(SHOP).releases[V1].commit == mine  # type: ignore[union-attr]  # it is there

    play()


@simulated
async def test_a_rotated_secret_is_a_change_and_its_value_stays_in_the_store() -> None:
    it = await desk()
    it.vault.values["payments/key"] = "s3cr3t-value"
    file = application(more="  secrets: {KEY: payments/key}\n")
    it.deploy(file)
    await it.world.settled()
    assert not it.deploy(file).applications[0].changed
    it.vault.values["payments/key"] = "another"
    assert it.deploy(file).applications[0].changed
    assert all(b"s3cr3t-value" not in recorded.data for recorded in it.world.store)


@simulated
async def test_after_a_rollback_the_same_file_is_tried_again_and_what_is_live_is_not() -> None:
    it = await live_desk()
    it.world.cluster.behave("shop", "v2", Behaviour(never_ready=True))
    it.deploy(application(version="2"))
    await it.world.settled()
    assert it.world.rollout().phase is Phase.ROLLED_BACK
    (third,) = it.deploy(application(version="2")).applications
    assert (third.changed, third.release) == (True, "v3")
    await it.world.settled()
    assert it.service.application("shop").live == V3
    (back,) = it.deploy(application(version="1")).applications
    assert back.changed


@simulated
async def test_a_queued_release_is_told_so_and_what_waits_is_not_asked_for_twice() -> None:
    it = await live_desk()
    it.deploy(application(version="2"))
    queue = PLATFORM_FILE.replace("keep: 5s", "keep: 5s, supersede: queue")
    third = SourceFile("shop.yaml", f"{application(version='3').text}---\n{queue}")
    (waits,) = it.deploy(third).applications
    assert (waits.release, waits.rollout) == ("v3", "shop-3")
    assert waits.message == "begins when the rollout under way has ended"
    assert it.service.application("shop").pending == "v3"
    (again,) = it.deploy(third).applications
    assert (again.changed, again.rollout) == (False, "shop-3")
    await it.world.settled()
    assert [past.phase for past in it.world.engine.states()[0].past] == [Phase.PROMOTED, Phase.PROMOTED]
    it.world.check()


@simulated
async def test_several_files_are_ordered_by_their_dependencies_and_find_each_other() -> None:
    it = await desk()
    front = application("front", port=8081, more="  dependsOn: [middle, back]\n")
    middle = application("middle", port=8082, more="  dependsOn: [back]\n")
    back = application("back", port=8083)
    answer = it.deploy(front, middle, back)
    assert [one.app for one in answer.applications] == ["back", "middle", "front"]
    env = dict(it.world.engine.state(front_name).releases[V1].plan.workload.env)
    assert (env["MIDDLE_URL"], env["BACK_URL"]) == ("http://127.0.0.1:8082", "http://127.0.0.1:8083")


front_name = type(SHOP)("front")


@simulated
async def test_one_refused_application_stops_all_of_them() -> None:
    it = await desk()
    it.busy[8082] = "port 8082 is in use by pid 7 (nginx)"
    with pytest.raises(Refused, match=re.escape("other: port 8082 is in use by pid 7 (nginx)")):
        it.deploy(application(), application("other", port=8082))
    assert it.world.engine.states() == []


@simulated
async def test_a_journal_that_refuses_stops_all_of_them() -> None:
    it = await desk()
    it.world.engine._journal = HostileJournal(MemoryJournal(it.world.store), every=1, how="refuse")
    with pytest.raises(JournalError, match="no space is left"):
        it.deploy(application(), application("other", port=8082))
    assert it.world.engine.states() == []
    it.world.engine._journal = MemoryJournal(it.world.store)
    assert [one.rollout for one in it.deploy(application(), application("other", port=8082)).applications] == [
        "shop-1",
        "other-1",
    ]


@simulated
async def test_after_a_failed_install_the_port_is_free_to_be_changed() -> None:
    it = await desk()
    it.world.cluster.behave("shop", "v1", Behaviour(never_ready=True))
    it.deploy(application())
    await it.world.settled()
    it.busy[8080] = "port 8080 is in use by pid 7 (nginx)"
    with pytest.raises(Refused, match="in use by pid 7"):
        it.deploy(application(version="2"))
    (second,) = it.deploy(application(version="2", port=8090)).applications
    assert second.changed
    state = await it.world.settled()
    assert (state.live, state.port) == (V2, 8090)
    assert it.service.application("shop").url == "http://127.0.0.1:8090"


@simulated
async def test_an_install_that_failed_after_it_had_traffic_keeps_its_port_although_the_proxy_listens_there() -> None:
    it = await desk()
    it.deploy(application())
    await it.world.settled()
    it.busy[8080] = "port 8080 is in use by envoy"
    assert it.deploy(application(version="2")).applications[0].changed


@pytest.mark.parametrize(
    ("files", "directory", "error", "says"),
    [
        ([], "/srv", BadInput, "no Application in these files"),
        ([SourceFile("a.yaml", "")], "/srv", BadInput, "no Application in these files|problem"),
        ([SourceFile("a.yaml", "kind: [")], "/srv", BadInput, "problem"),
        ([application(port=99999)], "/srv", BadInput, "1 problem found"),
        ([application(), application()], "/srv", BadInput, "1 problem found"),
        ([application()], "srv", BadInput, "directory: expected an absolute path, got 'srv'"),
        ([application()], "/srv\0", BadInput, "directory: expected an absolute path"),
        ([application(more="  dependsOn: [nobody]\n")], "/srv", Refused, "shop depends on nobody, not deployed here"),
        ([application(more="  secrets: {KEY: a/key}\n")], "/srv", Refused, "shop needs secrets without a value: a/key"),
        ([application(), application("b")], "/srv", Refused, "b: port 8080 belongs to shop"),
        (
            [
                application("a", port=1025, more="  dependsOn: [b]\n"),
                application("b", port=1026, more="  dependsOn: [a]\n"),
            ],
            "/srv",
            BadInput,
            "dependencies run in a circle: a -> b -> a|problem",
        ),
        (
            [SourceFile("i.yaml", application().text.replace("command: [serve]", "image: registry.example.com/a:1"))],
            "/srv",
            Refused,
            "shop has an image but no command",
        ),
        ([application(more=check_line("costPerRequest < $0.002"))], "/srv", Refused, "no price for a core"),
    ],
)
def test_what_cannot_be_deployed(files: list[SourceFile], directory: str, error: type[ShipwayError], says: str) -> None:
    @simulated
    async def refuses() -> None:
        it = await desk()
        with pytest.raises(error, match=says) as caught:
            it.deploy(*files, directory=directory)
        assert caught.value.hint or (
            isinstance(caught.value, BadInput) and (caught.value.problems or directory != "/srv")
        )
        assert it.world.engine.states() == []
        assert it.world.store == []

    refuses()


@simulated
async def test_what_is_for_the_platform_to_say_stops_all_of_them_and_is_told_where() -> None:
    it = await desk()
    strict = SourceFile("strict.yaml", application("strict", port=8082).text + "    alpha: 0.1%\n    keep: 1h\n")
    with pytest.raises(BadInput, match="2 problems found") as caught:
        it.deploy(application(), strict)
    assert [(one.file, one.line, one.column, one.path, one.code) for one in caught.value.problems] == [
        ("strict.yaml", 15, 5, "spec.delivery.alpha", "for-the-platform"),
        ("strict.yaml", 16, 5, "spec.delivery.keep", "for-the-platform"),
    ]
    assert "in its `spec.defaults.delivery`" in caught.value.problems[0].message
    with pytest.raises(BadInput) as caught:
        it.deploy(application(), sets=("spec.delivery.tolerance=2",))
    (problem,) = caught.value.problems
    assert (problem.file, problem.code) == ("--set spec.delivery.tolerance=2", "for-the-platform")
    assert (it.world.engine.states(), it.world.store) == ([], [])


@simulated
async def test_the_port_of_a_live_application_stays() -> None:
    it = await live_desk()
    with pytest.raises(Refused, match="reached on port 8080; moving it to 8081 would cut off its callers"):
        it.deploy(application(port=8081))


@simulated
async def test_the_hint_about_a_port_that_is_taken_names_it_as_the_file_does() -> None:
    it = await desk()
    it.busy = {port: f"port {port} is in use" for port in (8080, 9000)}
    with pytest.raises(Refused) as caught:
        it.deploy(application())
    assert caught.value.hint == "Give it another `port`, or --set port=…"
    named = application().text.replace("port: 8080", "port: {grpc: 9000, metrics: 9090}")
    with pytest.raises(Refused) as caught:
        it.deploy(SourceFile("shop.yaml", named))
    assert caught.value.hint == "Give it another `port.grpc`, or --set port.grpc=…"
    (one,) = it.deploy(SourceFile("shop.yaml", named), sets=("port.grpc=9001",)).applications
    assert (one.changed, it.world.engine.states()[0].port) == (True, 9001)


# --- the platform -------------------------------------------------------------------------------------------------


@simulated
async def test_the_platform_prices_a_request_and_sets_the_limits_of_processes() -> None:
    it = await desk(platform(MORE))
    it.deploy(fair(check_line("costPerRequest < $0.002")))
    (state,) = it.world.engine.states()
    plan = state.releases[V1].plan
    (cost,) = [one for one in plan.judge.indicators if one.kind == "continuous"]
    assert (cost.measure, cost.limit, cost.relative) == ("cpuSeconds", pytest.approx(0.2), False)  # a cent per second
    assert (plan.workload.crash_limit, plan.workload.drain_seconds) == (7, 1.0)


@simulated
async def test_a_platform_in_the_same_file_holds_for_what_is_deployed_with_it() -> None:
    it = await desk()
    strict = PLATFORM_FILE.replace("keep: 5s", "keep: 1h, alpha: 0.1%")
    it.deploy(SourceFile("shop.yaml", f"{strict}---\n{application().text}"), application("other", port=8081))
    for name in ("shop", "other"):
        plan = it.world.engine.state(type(SHOP)(name)).releases[V1].plan  # type: ignore[union-attr]  # it is there
        assert (plan.keep, plan.judge.alpha, plan.judge.warm_up) == (3600.0, 0.001, 0.0)
    (keep,) = it.service.explain("other", "delivery.keep")[1]
    assert (keep.value, keep.origin, keep.file, keep.line) == ("1h", "platform default", "shop.yaml", 7)
    it.deploy(application("third", port=8082))
    (keep,) = it.service.explain("third", "delivery.keep")[1]
    assert (keep.value, keep.file) == ("5s", "platform.yaml")


EVERYTHING = """\
  scale: {min: 2, max: 10, signal: requests 50/s}
  dependsOn: [stock, api.stripe.com, {database: postgres/orders}, {cache: redis}, {bucket: s3/invoices}]
  storage: {/var/lib/shop.d: 10Gi, orders: 50Gi}
  budget: $300/month
"""
WORKER = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: mailer, team: logistics}
spec:
  archetype: background-worker
  command: [mail]
  port: {health: 8083, metrics: 9090}
  health: /healthz
  dependsOn: [{queue: rabbitmq/mails}]
  scale: {min: 1, max: 5, signal: queue 200}
"""
SAYING = (
    MORE
    + """\
  archetypes:
    api-service: {resources: {factor: 0.5}, slo: {window: 7d}, chaos: [instance-loss], delivery: {affinity: {header: x-user}}}
"""
)


@simulated
async def test_a_release_remembers_what_it_was_with_what_the_platform_said() -> None:
    it = await desk(platform(SAYING))
    files = [application("stock", port=8081), application(more=EVERYTHING), SourceFile("mailer.yaml", WORKER)]
    it.deploy(*files, environment="prod")
    await it.world.settled()
    declared = parse_documents([Source(one.file, one.text) for one in files]).declared
    states = {str(state.app): state for state in it.world.engine.states()}
    for one in declared:
        wanted = resolve(one, platform(SAYING), "prod").application
        state = states[wanted.metadata.name]
        (release,) = state.releases.values()
        read_back = service._declared(state)
        assert read_back is not None
        assert read_back.application == written(release.document) == wanted
    assert states["shop"].releases[V1].plan.affinity.by == "header"
    assert [(one.path, one.value, one.line) for one in it.service.explain("shop", "storage")[1]] == [
        ("spec.storage./var/lib/shop.d", "10Gi", 17),
        ("spec.storage.orders", "50Gi", 17),
    ]
    assert (wanted.spec.port, wanted.spec.ports, wanted.spec.delivery.keep) == (8083, {"metrics": 9090}, 5.0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("costPerRequest < €0.002", "is in EUR, and the platform has a price in USD for a core"),
        ("costPerRequest increase < 10%", "could never fail: no step compares costs long enough at 40 % or more"),
        ("cartAbandonment < 5%", "nothing on this machine measures cartAbandonment, so the check could never fail"),
    ],
)
def test_checks_that_could_never_fail_are_refused(line: str, says: str) -> None:
    @simulated
    async def refuses() -> None:
        it = await desk(platform(MORE))
        with pytest.raises(Refused, match=says):
            it.deploy(application(more=check_line(line)))

    refuses()


@simulated
async def test_an_unknown_environment_is_named() -> None:
    it = await desk(platform(MORE))
    request = msgspec.structs.replace
    from shipway.engine.service import DeployRequest

    asked = DeployRequest(files=(application(),), directory="/srv")
    with pytest.raises(BadInput, match="no environment `prd`; did you mean `prod`"):
        it.service.deploy(request(asked, environment="prd"))


def test_costs_are_compared_by_what_a_request_uses() -> None:
    @simulated
    async def rolls_back() -> None:
        it = await desk()
        text = fair(check_line("costPerRequest increase < 20%")).text
        cheap = msgspec.structs.replace(GOOD, values=(("cpuSeconds", 0.010),))
        dear = msgspec.structs.replace(GOOD, values=(("cpuSeconds", 0.015),))
        for number, behaviour in enumerate((cheap, cheap, dear), start=1):
            it.world.cluster.behave("shop", f"v{number}", behaviour)
        for version in ("1", "2", "3"):
            it.deploy(SourceFile("shop.yaml", text.replace('VERSION: "1"', f'VERSION: "{version}"')))
            await it.world.settled()
        state = it.world.engine.states()[0]
        assert [past.phase for past in state.past] == [Phase.PROMOTED, Phase.PROMOTED]
        assert (state.live, it.world.rollout().phase) == (V2, Phase.ROLLED_BACK)
        assert re.search(r"cpuSeconds per request: canary 0\.01[45]\d*, baseline 0\.0\d+", it.world.rollout().reason)

    rolls_back()


@pytest.mark.parametrize(
    ("env", "image", "label"),
    [
        ("7", "r.example.com/a:1.2", "7"),
        ("", "r.example.com/a:1.2", "1.2"),
        ("", "r.example.com:5000/a", ""),
        ("", "r.example.com/a:1.2@sha256:" + "ab" * 32, "1.2"),
        ("", "r.example.com/a@sha256:" + "ab" * 32, "abababababab"),
    ],
)
def test_what_a_release_is_called(env: str, image: str, label: str) -> None:
    text = application(version=env).text.replace("command: [serve]", f"command: [serve]\n  image: {image}")
    text = text.replace('  env: {VERSION: ""}\n', "")
    parsed = parse_documents([Source("a.yaml", text)])
    assert not parsed.problems
    assert label_of(parsed.declared[0].application) == label


# --- steering -----------------------------------------------------------------------------------------------------


@simulated
async def test_the_verbs_do_what_they_say() -> None:
    it = await live_desk()
    it.deploy(application(version="2"))
    await it.world.until(lambda state: state.phase is Phase.OBSERVING)
    view = it.service.steer("shop", "pause", by="ann")
    assert view.rollout is not None
    assert (view.rollout.phase, view.rollout.reason) == ("paused", "paused by ann")
    await it.world.clock.sleep(60)
    assert it.world.rollout().phase is Phase.PAUSED
    it.service.steer("shop-2", "resume", by="ann")
    await it.world.until(lambda state: state.phase is Phase.OBSERVING)
    it.service.steer("shop", "abort", by="ann", reason="not today")
    await it.world.settled()
    assert (it.world.rollout().phase, it.world.rollout().reason) == (Phase.ABORTED, "not today")
    it.service.steer("shop", "retry", by="ann")
    await it.world.until(lambda state: state.phase is Phase.OBSERVING)
    it.service.steer("shop", "promote", by="ann", full=True)
    state = await it.world.settled()
    assert (state.live, it.world.rollout().id) == (V2, "shop-3")
    it.service.undo("shop", None, "ann")
    state = await it.world.settled()
    assert state.live == V1
    it.world.check()


@pytest.mark.parametrize("verb", ["pause", "resume", "promote", "abort", "retry"])
def test_a_verb_that_does_not_fit_is_refused_and_says_how_it_stands(verb: str) -> None:
    @simulated
    async def refuses() -> None:
        it = await live_desk()
        with pytest.raises(Refused, match=rf"cannot {verb}: shop-1: v1 \(1\) is live, .* after it began") as caught:
            it.service.steer("shop", verb)
        assert caught.value.hint == "shipway status shop"

    refuses()


@simulated
async def test_an_ended_rollout_cannot_be_steered_by_its_id() -> None:
    it = await live_desk()
    it.deploy(application(version="2"))
    with pytest.raises(Refused, match="shop-1 has ended; the last rollout of shop is shop-2"):
        it.service.steer("shop-1", "abort")
    assert it.world.rollout().is_active


@simulated
async def test_what_does_not_exist_is_not_found_and_a_name_is_suggested() -> None:
    it = await live_desk()
    cases = [
        (lambda: it.service.application("shpo"), "no application 'shpo'; did you mean `shop`", "known: shop."),
        (lambda: it.service.rollout("shop-9"), "no rollout 'shop-9'; did you mean `shop-1`", "shipway rollout list"),
        (lambda: it.service.steer("shop", "puase"), "no verb 'puase'; did you mean `pause`", "One of pause"),
        (lambda: it.service.undo("shop", "v9", ""), "shop has no release 'v9'", "It has v1."),
        (lambda: it.service.logs("shop", "v9"), "shop has no release 'v9'", "It has v1."),
        (lambda: it.service.history("nobody"), "no application 'nobody'", "known: shop."),
        (lambda: it.service.explain("shop", "prot"), "shop has no value 'prot'; did you mean `spec.port`", "explain"),
        (lambda: it.service.steer("", "pause"), "no application ''", "known: shop."),
    ]
    for ask, says, hint in cases:
        with pytest.raises(NotFound, match=re.escape(says)) as caught:
            ask()
        assert hint in caught.value.hint
    with pytest.raises(NotFound) as caught:
        (await desk()).service.application("shop")
    assert caught.value.hint == "nothing is deployed yet."


@simulated
async def test_undo_is_refused_with_nowhere_to_go() -> None:
    it = await live_desk()
    with pytest.raises(Refused, match="there is no earlier release to go back to"):
        it.service.undo("shop", None, "")
    with pytest.raises(Refused, match="v1 is live already"):
        it.service.undo("shop", "v1", "")


@simulated
async def test_reading() -> None:
    it = await live_desk()
    it.deploy(application(version="2"), application("other", port=8081))
    await it.world.settled()
    assert [rollout.id for rollout in it.service.rollouts()] == ["shop-1", "shop-2", "other-1"]
    assert it.service.rollout("shop").id == it.service.rollout("shop-2").id == "shop-2"
    assert it.service.rollout("shop-1").kind == "install"
    rollouts, releases = it.service.history("shop")
    assert [rollout.phase for rollout in rollouts] == ["promoted", "promoted"]
    assert [(release.id, release.live) for release in releases] == [("v1", False), ("v2", True)]
    assert it.service.logs("shop") == ()
    _, fields, view = it.service.explain("shop", "delivery.keep")
    assert view is not None
    fields += it.service.explain("shop", "env.VERSION")[1]
    assert [(f.path, f.value, f.origin, f.file, f.line) for f in fields] == [
        ("spec.delivery.keep", "5s", "platform default", "platform.yaml", 7),
        ("spec.env.VERSION", "2", "application", "shop.yaml", 9),
    ]
    (replicas,) = it.service.explain("shop", "spec.delivery.alpha")[1]
    assert replicas.origin == "default"
    (port,) = it.service.explain("shop", "port")[1]
    assert port.value == 8080


@simulated
async def test_a_user_without_a_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    it = await live_desk()
    it.deploy(application(version="2"))
    await it.world.until(lambda state: state.phase is Phase.OBSERVING)
    view = it.service.steer("shop", "pause")
    assert view.rollout is not None
    assert view.rollout.reason == "paused by somebody"

"""``shipway rollout …``: looking at rollouts and steering them."""

from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.options import Home, Json, RolloutName

if TYPE_CHECKING:
    from shipway.web.api.client import Action


def list_(home: Home = None, json: Json = False) -> None:
    """List all rollouts, newest last.

    Example: shipway rollout list
    """
    from shipway.cli.delivering import tables
    from shipway.cli.output import show
    from shipway.facts.home import home_directory
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        found = client.rollouts()
    show({"rollouts": found}, tables.rollouts(found), json=json)


def show(rollout: RolloutName, home: Home = None, json: Json = False) -> None:
    """Show one rollout with the evidence for and against its release.

    Example: shipway rollout show shop-3
    """
    from shipway.cli import output
    from shipway.cli.delivering import tables
    from shipway.facts.home import home_directory
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        found = client.rollout(rollout)
    output.show(found, tables.rollout(found), json=json)


def watch(rollout: RolloutName, home: Home = None, json: Json = False) -> None:
    """Follow a rollout to its end; exit 1 unless promoted.

    With --json one line of JSON per change. Ctrl-C stops watching, not the
    rollout.

    Example: shipway rollout watch shop
    """
    from shipway.cli import output
    from shipway.cli.delivering import tables, watching
    from shipway.facts.home import home_directory
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        found = client.rollout(rollout)
        if found.active:
            found = watching.until_ended(client, found.app, found.id, json=json)
        else:
            output.show(found, tables.rollout(found), json=json)
    if not watching.succeeded(found):
        output.note(watching.hint(found), json=json)
        raise typer.Exit(1)


def pause(rollout: RolloutName, home: Home = None, json: Json = False) -> None:
    """Stop a rollout from going forward; a bad release still goes back.

    Example: shipway rollout pause shop
    """
    _act(rollout, "pause", home, json=json)


def resume(rollout: RolloutName, home: Home = None, json: Json = False) -> None:
    """End a pause; the step under way begins again.

    Example: shipway rollout resume shop
    """
    _act(rollout, "resume", home, json=json)


def promote(
    rollout: RolloutName,
    full: Annotated[bool, typer.Option("--full", help="To all traffic, past every step that is left.")] = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Take the next step on your word.

    Gives an approval that a step waits for, or goes on without more evidence.

    Example: shipway rollout promote shop --full
    """
    _act(rollout, "promote", home, json=json, full=full)


def abort(
    rollout: RolloutName,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="For the history.")] = "",
    home: Home = None,
    json: Json = False,
) -> None:
    """Go back to the live release, whatever the evidence says.

    Example: shipway rollout abort shop --reason "wrong branch"
    """
    _act(rollout, "abort", home, json=json, reason=reason)


def retry(rollout: RolloutName, home: Home = None, json: Json = False) -> None:
    """Try the release of an ended rollout again, from the first step.

    Example: shipway rollout retry shop
    """
    _act(rollout, "retry", home, json=json)


def _act(rollout: str, action: "Action", home: Home, *, json: bool, full: bool = False, reason: str = "") -> None:
    from shipway.cli import output
    from shipway.cli.delivering import tables
    from shipway.cli.person import person
    from shipway.facts.home import home_directory
    from shipway.model.errors import Refused
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        found = client.rollout(rollout)
        view = client.application(found.app)
        if view.rollout is not None and view.rollout.id != found.id:
            raise Refused(
                f"{found.id} has ended ({found.phase}); {found.app} is at {view.rollout.id} now",
                hint=f"`shipway rollout {action} {found.app}` means that one.",
            )
        view = client.act(found.app, action, by=person(), full=full, reason=reason)
    output.show(view, tables.application(view), json=json)

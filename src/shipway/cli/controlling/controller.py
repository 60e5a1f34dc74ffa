"""``up`` and ``down``: the life of the controller's process. What it does is built in ``wiring``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.options import Home, Json

if TYPE_CHECKING:
    from shipway.engine.views import ControllerView


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it answers.")] = False,
    platform: Annotated[
        Path | None, typer.Option("--platform", help="Platform that holds for every application.", metavar="FILE|DIR")
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Start the controller and the proxy.

    Whatever still runs from before is adopted, not restarted: killing the
    controller drops no request. Ctrl-C ends the controller alone; `shipway
    down` ends everything.

    Example: shipway up --detach
    """
    from shipway.cli.controlling import starting
    from shipway.cli.output import show
    from shipway.facts.home import home_directory

    directory = home_directory(home)
    if detach:
        if platform is not None:
            from shipway.facts.prices import read_platform

            read_platform(platform)  # here, so that its problems arrive as such and not as a log
        view = starting.start_detached(directory, platform)
        show(view, _described(view), json=json)
    else:
        starting.run(directory, platform, lambda: _ready(directory, json=json))


def down(home: Home = None, json: Json = False) -> None:
    """End every release, the proxy and the controller.

    Requests in flight may finish. The next `shipway up` starts the same
    releases with the same weights.

    Example: shipway down
    """
    from shipway.cli.controlling import starting
    from shipway.cli.output import show
    from shipway.facts.home import home_directory

    directory = home_directory(home)
    pid = starting.end(directory)
    ended = f"controller {pid} and everything it ran" if pid else "no controller ran; what it had left behind was ended"
    show({"home": str(directory), "controller": pid}, f"Ended: {ended}." if pid else f"Done: {ended}.", json=json)


def _ready(home: Path, *, json: bool) -> None:
    """Called within the controller once it answers: what one says at the start of a log."""
    import os

    from shipway.cli.output import show

    words = f"Controller {os.getpid()} is up in {home}. Ctrl-C ends it and leaves the releases running."
    show({"home": str(home), "pid": os.getpid()}, words, json=json)
    import sys

    sys.stdout.flush()


def _described(view: "ControllerView") -> str:
    lines = [f"Controller {view.pid} is up in {view.home}."]
    for application in view.applications:
        if running := [r for r in application.releases if r.run == "running"]:
            shown = ", ".join(f"{r.id} ({r.ready}/{r.wanted} ready, {r.weight:g} %)" for r in running)
            lines.append(f"  adopted {application.name} at {application.url}: {shown}")
    return "\n".join(lines)

"""Options and arguments that several verbs share. Imports typer alone, so that ``--help`` stays fast."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Write JSON and nothing else.")]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="SHIPWAY_HOME",
        show_envvar=True,
        help="State directory [default: $XDG_STATE_HOME/shipway or ~/.local/state/shipway].",
        metavar="DIR",
    ),
]
App = Annotated[str, typer.Argument(metavar="APP", help="Name of the application.")]
RolloutName = Annotated[
    str, typer.Argument(metavar="ROLLOUT", help="A rollout (shop-3), or an application: its current rollout.")
]
PlatformDirectory = Annotated[
    Path, typer.Option("--platform", metavar="DIR", help="Directory with the Platform and Applications.")
]

Environments = Annotated[
    list[str] | None, typer.Option("--env", metavar="NAME", help="Only this environment; may be repeated.")
]

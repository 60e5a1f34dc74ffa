"""Verbs about applications: deploying, looking, going back. Each asks the controller once and shows the answer."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.options import App, Home, Json, PlatformDirectory


def deploy(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File with one or more Applications.")],
    *,
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="Set spec.image: the version to release.")
    ] = "",
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set any field; may be repeated.")
    ] = None,
    environment: Annotated[str, typer.Option("--env", metavar="NAME", help="Environment whose overrides hold.")] = "",
    commit: Annotated[
        str, typer.Option("--commit", metavar="SHA", help="What it is made of [default: as checked out].")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow the rollout; exit 1 if rolled back.")] = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Release what a file describes.

    The first release is installed; later ones are rolled out as `delivery`
    says. A file that changes nothing does nothing. The commit is kept with the
    release: the one checked out where the file is, or the pipeline's.

    Example: shipway deploy shop.yaml --image shop:1.4.2 --watch
    """
    from shipway.cli.delivering import deploying
    from shipway.facts.home import home_directory

    assignments = [f"spec.image={image}"] if image else []
    request = deploying.Request(
        file=file, sets=tuple(assignments + (sets or [])), environment=environment, commit=commit
    )
    raise typer.Exit(deploying.deploy(home_directory(home), request, watch=watch, json=json))


def status(
    app: Annotated[str | None, typer.Argument(metavar="APP", help="One application in full.")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Show what runs, its weights, and every rollout under way.

    Example: shipway status shop
    """
    from shipway.cli.delivering import tables
    from shipway.cli.output import show
    from shipway.facts.home import home_directory
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        if app is None:
            view = client.controller()
            show(view, tables.controller(view), json=json)
        else:
            one = client.application(app)
            show(one, tables.application(one), json=json)


def undo(
    app: App,
    to: Annotated[str | None, typer.Option("--to", metavar="RELEASE", help="[default: the one before]")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Send traffic back to an earlier release, at once.

    Its configuration comes back with it. During a rollout this ends
    the rollout.

    Example: shipway undo shop --to v3
    """
    from shipway.cli.delivering import tables
    from shipway.cli.output import show
    from shipway.cli.person import person
    from shipway.facts.home import home_directory
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        view = client.undo(app, to, person())
    show(view, tables.application(view), json=json)


def logs(
    app: App,
    *,
    release: Annotated[
        str | None, typer.Option("--release", "-r", metavar="RELEASE", help="Only this release's.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with every new line.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="Last lines of each instance.")] = 100,
    home: Home = None,
    json: Json = False,
) -> None:
    """Print what the processes of an application wrote.

    Example: shipway logs shop --release v4 -f
    """
    from shipway.cli.output import lines as write
    from shipway.facts import tailing
    from shipway.facts.home import home_directory
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        records = tailing.tail(lambda: client.logs(app, release), count=lines, follow=follow)
        write(((line, f"{line.release}/{line.instance}  {line.text}") for line in records), json=json)


def explain(
    app: App,
    env: Annotated[str | None, typer.Argument(metavar="ENV", help="Environment to compile for.")] = None,
    field: Annotated[str | None, typer.Argument(metavar="FIELD", help="Only this field, e.g. spec.port.")] = None,
    *,
    cluster: Annotated[
        str | None, typer.Option("--cluster", metavar="NAME", help="Of an object: only there [default: all of ENV].")
    ] = None,
    platform: PlatformDirectory = Path(),
    home: Home = None,
    json: Json = False,
) -> None:
    """Say why an application is as it is: where each value came from.

    With ENV and FIELD it asks the files of the organisation, and FIELD may be
    one of a compiled object: Deployment.spec.replicas. What differs between
    the clusters of ENV is said for each. With FIELD or nothing it asks the
    controller about what runs.

    Example: shipway explain shop prod spec.replicas
    """
    from shipway.cli.output import show

    if env is not None and field is not None:
        from shipway.facts.organisations import load
        from shipway.render import explaining

        found = explaining.chains(load(platform), app, env, field, cluster)
        show(found, explaining.table(found), json=json)
        return
    from shipway.cli.delivering import tables
    from shipway.facts.home import home_directory
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        explanation = client.explain(app, env)
    show(explanation, tables.explanation(explanation), json=json)

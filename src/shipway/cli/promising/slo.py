"""``shipway slo …``: promises, what is left of their budgets, and the rules that watch over them."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.options import Home, Json

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="Application, Platform, Sloth, OpenSLO and ServiceLevels files."),
]


def status(
    app: Annotated[str | None, typer.Argument(metavar="APP", help="Only this application.")] = None,
    *,
    prometheus: Annotated[
        str, typer.Option("--prometheus", metavar="URL", help="Counts the Platform's metrics; needs --platform.")
    ] = "",
    platform: Annotated[
        Path | None, typer.Option("--platform", metavar="FILE", help="Platform with `good` and `total` queries.")
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Show what is left of every error budget.

    Counts what the controller has read of the proxy, and says how much of the
    window that covers; promises about metrics of the Platform are asked of a
    Prometheus. Exit code 0 whatever the state.

    Example: shipway slo status shop
    """
    from shipway.cli.output import show
    from shipway.cli.promising import promises
    from shipway.facts.home import home_directory
    from shipway.web.api.client import Client

    with Client(home_directory(home)) as client:
        view = client.slo(app)
    if prometheus:
        from shipway.cli import wiring
        from shipway.engine import querying
        from shipway.facts.prices import read_platform

        _check_address(prometheus)
        declared, _ = read_platform(platform)
        with wiring.prometheus(prometheus) as source:
            view = querying.answered(view, source.number, declared)
    show(view, promises.table(view), json=json)


def rules(
    files: Files,
    *,
    compat: Annotated[
        str, typer.Option("--compat", metavar="STYLE", help="sloth: names and arithmetic of Sloth.")
    ] = "",
    meters: Annotated[
        str, typer.Option("--meters", metavar="NAME", help="opentelemetry or istio: what counts requests.")
    ] = "opentelemetry",
    environment: Annotated[str, typer.Option("--env", metavar="NAME", help="Environment whose overrides hold.")] = "",
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="On every recording rule; may be repeated.")
    ] = None,
    window: Annotated[
        str, typer.Option("--window", metavar="TIME", help="For files that name none (Sloth's): 28d, 7d.")
    ] = "30d",
    windows: Annotated[
        Path | None, typer.Option("--windows", metavar="FILE", help="AlertWindows of Sloth, for --compat sloth.")
    ] = None,
    runbook: Annotated[
        str, typer.Option("--runbook", metavar="URL", help="Link of the alerts; {app} and {slo} are replaced.")
    ] = "",
    json: Json = False,
) -> None:
    """Print Prometheus rules: recordings and burn-rate alerts.

    Alerts page while a budget burns fast, and open a ticket while it burns
    slowly; they need events enough, and say when nothing is measured.

    Kubernetes objects (PrometheusServiceLevel) become PrometheusRule objects
    with `--compat sloth`; everything else becomes rule files.

    Example: shipway slo rules shop.yaml > shop.rules.yaml
    """
    from shipway.cli.output import to_json
    from shipway.cli.promising import options
    from shipway.facts.files import read
    from shipway.slo import rulemaking

    request = rulemaking.Request(
        files=read(files),
        compat=compat,
        meters=meters,
        environment=environment,
        labels=options.labels(labels or ()),
        window=options.window(window),
        windows=options.alert_windows(windows if compat == "sloth" else None),
        runbook=runbook,
    )
    documents = rulemaking.documents(request)
    typer.echo(to_json({"documents": documents}) if json else rulemaking.text(documents), nl=json)


def validate(
    files: Files,
    window: Annotated[
        str, typer.Option("--window", metavar="TIME", help="Period of files that name none, or must have that one.")
    ] = "30d",
    json: Json = False,
) -> None:
    """Check service levels without making rules.

    Prints every problem at once, as file:line:column.

    Example: shipway slo validate slo.yaml
    """
    from shipway.cli.output import show
    from shipway.cli.promising import options
    from shipway.facts.files import read
    from shipway.slo import rulemaking

    request = rulemaking.Request(files=read(files), window=options.window(window))
    levels, problems = rulemaking.service_levels(request)
    names = [level.id for level in levels]
    human = "\n".join([*map(str, problems), f"valid: {', '.join(names) or 'nothing is promised'}"])
    show({"serviceLevels": names, "problems": problems}, human, json=json)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Sloth or OpenSLO file.")],
    json: Json = False,
) -> None:
    """Turn a Sloth or OpenSLO file into ours.

    Promises of metrics that the platform counts by become the `slo` section of
    an Application; all others become a ServiceLevels document, which `rules`
    reads.

    Example: shipway slo import sloth.yaml > levels.yaml
    """
    from shipway.cli.output import note, problem_lines, to_json
    from shipway.facts.files import read
    from shipway.slo import rulemaking

    documents, problems = rulemaking.imported(*read([file]))
    if problems:
        note(problem_lines(problems), json=json)
    typer.echo(
        to_json({"documents": documents, "problems": problems}) if json else rulemaking.adopted(documents), nl=json
    )


def _check_address(url: str) -> None:
    """Raises BadInput when it is no address of a Prometheus."""
    from urllib.parse import urlsplit

    from shipway.model.errors import BadInput

    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise BadInput(f"expected http://HOST:PORT for --prometheus, got `{url}`")

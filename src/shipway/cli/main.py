"""The command line: which verbs there are. ``main`` is the entry point of ``shipway`` and of ``python -m shipway.cli.main``.

The rooms of verbs are imported here, so none of them may import more than typer at its top: ``shipway --help`` must
answer within 200 ms.
"""

import signal

# Until there is somebody to catch it, an interruption ends the process at once: a traceback out of an import tells nothing.
_handler = (
    signal.signal(signal.SIGINT, signal.SIG_DFL) if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN else None
)

import sys  # noqa: E402  # see above
from collections.abc import Callable, Sequence  # noqa: E402  # see above
from copy import copy  # noqa: E402  # see above
from typing import Annotated  # noqa: E402  # see above

import typer  # noqa: E402  # see above

from shipway.cli import failing  # noqa: E402  # see above
from shipway.cli.compiling import documents, planning, rendering  # noqa: E402  # see above
from shipway.cli.controlling import controller  # noqa: E402  # see above
from shipway.cli.delivering import applications, rollouts  # noqa: E402  # see above
from shipway.cli.insight import forecasts, knowing  # noqa: E402  # see above
from shipway.cli.policing import policy  # noqa: E402  # see above
from shipway.cli.promising import slo  # noqa: E402  # see above
from shipway.cli.recalling import journals, past  # noqa: E402  # see above
from shipway.cli.showing import demo  # noqa: E402  # see above
from shipway.cli.spending import cost  # noqa: E402  # see above
from shipway.cli.words import Verb, Verbs  # noqa: E402  # see above

# Without rich's markup typer prints plain help: 80 columns, no colours to suppress, and 90 ms sooner.
app = typer.Typer(
    name="shipway",
    cls=Verbs,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _group(name: str, purpose: str, example: str) -> typer.Typer:
    text = f"{purpose}\n\nExample: shipway {name} {example}"
    return typer.Typer(name=name, cls=Verbs, help=text, no_args_is_help=True, rich_markup_mode=None)


rollout = _group("rollout", "Watch and steer rollouts.", "watch shop")
journal = _group("journal", "Check and repair the journal.", "check")
slo_verbs = _group("slo", "Promises, their error budgets and alerts.", "status")
policies = _group("policy", "Judge objects and Applications by policies.", "check deploy/")
cost_verbs = _group("cost", "What releases will cost, did cost, and may cost.", "estimate --env prod")


def _add(group: typer.Typer, *verbs: Callable[..., None]) -> None:
    for verb in verbs:
        group.command(verb.__name__.rstrip("_"), cls=Verb)(verb)


# In the order in which one needs them: help lists them so.
_add(app, documents.init, documents.validate, controller.up, controller.down)
_add(app, applications.deploy, applications.status, applications.undo, applications.logs, applications.explain)
_add(app, rendering.render, planning.plan, rendering.catalog)
app.add_typer(rollout)
app.add_typer(policies)
_add(app, past.history, past.replay, past.report)
app.add_typer(journal)
app.add_typer(slo_verbs)
app.add_typer(cost_verbs)
_add(app, knowing.rightsize, forecasts.forecast, knowing.dora, knowing.risk, knowing.impact, knowing.maturity)
_add(app, demo.demo, documents.schema)
_add(rollout, rollouts.list_, rollouts.show, rollouts.watch)
_add(rollout, rollouts.pause, rollouts.resume, rollouts.promote, rollouts.abort, rollouts.retry)
_add(slo_verbs, slo.status, slo.rules, slo.validate, slo.import_)
policies.command("test", cls=Verb)(policy.run_tests)
_add(policies, policy.check, policy.list_, policy.explain, policy.report, policy.decisions, policy.export, policy.serve)
_add(cost_verbs, cost.estimate, cost.actual, cost.forecast, cost.report)
_add(journal, journals.check, journals.repair)


if _handler is not None:
    signal.signal(signal.SIGINT, _handler)


def _print_version(wanted: bool) -> None:
    if wanted:
        from shipway import __version__

        typer.echo(f"shipway {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Releases rolled out by measured evidence, and rolled back by themselves.

    Describe a service in one file, start the controller, deploy the file:

    \b
        shipway init hello && shipway up --detach
        shipway deploy hello/application.yaml --watch

    `shipway demo` shows it all in about a minute. `shipway VERB --help` explains
    a verb, with an example. Every verb takes --json.
    """
    del version


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = _with_only(words[0]) if words else app
    sys.exit(failing.run(lambda: chosen(args=words, prog_name="shipway", standalone_mode=False), words))


def _with_only(name: str) -> typer.Typer:
    """The one verb or group that is asked for: to look at the parameters of all of them takes typer 15 ms."""
    chosen = copy(app)
    chosen.registered_commands = [one for one in app.registered_commands if one.name == name]
    chosen.registered_groups = [
        one for one in app.registered_groups if one.typer_instance and one.typer_instance.info.name == name
    ]
    return chosen if chosen.registered_commands or chosen.registered_groups else app


if __name__ == "__main__":
    main()

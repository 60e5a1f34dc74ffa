"""The command line: which verbs there are. ``main`` is the entry point of ``shipway`` and of ``python -m shipway.cli.main``.

The rooms of verbs are imported here, so none of them may import more than typer at its top: ``shipway --help`` must
answer within 200 ms.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from shipway.cli import applications, controller, demo, documents, failing, journals, past, rollouts

# Without rich's markup typer prints plain help: 80 columns, no colours to suppress, and 90 ms sooner.
app = typer.Typer(
    name="shipway",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
rollout = typer.Typer(
    name="rollout",
    help="Watch and steer rollouts.\n\nExample: shipway rollout watch shop",
    no_args_is_help=True,
    rich_markup_mode=None,
)
journal = typer.Typer(
    name="journal",
    help="Check and repair the journal.\n\nExample: shipway journal check",
    no_args_is_help=True,
    rich_markup_mode=None,
)

for verb in (documents.init, documents.validate, controller.up, controller.down, applications.deploy):
    app.command()(verb)
for verb in (applications.status, applications.undo, applications.logs, applications.explain):
    app.command()(verb)
app.add_typer(rollout)
for verb in (past.history, past.replay, past.report):
    app.command()(verb)
app.add_typer(journal)
for verb in (demo.demo, documents.schema):
    app.command()(verb)
rollout.command("list")(rollouts.list_)
for verb in (rollouts.show, rollouts.watch, rollouts.pause, rollouts.resume, rollouts.promote, rollouts.abort):
    rollout.command()(verb)
rollout.command()(rollouts.retry)
for verb in (journals.check, journals.repair):
    journal.command()(verb)


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
    sys.exit(failing.run(lambda: app(args=words, prog_name="shipway", standalone_mode=False), words))


if __name__ == "__main__":
    main()

"""Verbs about the files people write; none of them needs a controller."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.options import Json

if TYPE_CHECKING:
    pass

_NAME = "application.yaml"


def init(
    what: Annotated[
        str, typer.Argument(metavar="TEMPLATE|DIR", help="The golden path; or, without NAME, a directory.")
    ] = ".",
    name: Annotated[
        Path | None, typer.Argument(metavar="NAME", help="Directory to make; its last part names the application.")
    ] = None,
    team: Annotated[str, typer.Option("--team", help="Team that owns it.")] = "platform",
    json: Json = False,
) -> None:
    """Make a repository that runs, or write a first application.yaml.

    With TEMPLATE and NAME: a small working service with tests, Dockerfile and
    pipelines for GitHub and GitLab. Templates are web-app, api-service,
    background-worker, scheduled-job and ml-model.

    With DIR alone: DIR/application.yaml, for a service that is there already.
    It serves the directory's files; change its `command` into your own. A file
    that exists is never touched.

    Example: shipway init api-service orders
    """
    from shipway.cli.compiling.golden import TEMPLATES, create
    from shipway.cli.output import show
    from shipway.model.errors import BadInput

    if name is None and what in TEMPLATES:
        raise BadInput(
            f"expected a NAME after the template {what}",
            hint=f"For example: shipway init {what} shop. For an application.yaml in a directory: shipway init ./{what}",
        )
    if name is None:
        _first_file(Path(what), json=json)
        return
    files = create(what, name, team)
    steps = f"Made {name} with {len(files)} files. Next:\n\n  cd {name}\n  make test\n  make deploy"
    show(
        {"directory": str(name), "template": what, "application": name.absolute().name, "files": files},
        steps,
        json=json,
    )


def _first_file(directory: Path, *, json: bool) -> None:
    from shipway.cli.output import show
    from shipway.cli.showing.examples import examples
    from shipway.model.errors import Refused

    path = directory / _NAME
    if path.exists():
        raise Refused(f"{path} is already there", hint="Name another directory, or edit the file.")
    name = _label(directory.absolute().name)
    text = (examples() / "hello" / _NAME).read_text(encoding="utf-8")
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("name: hello", f"name: {name}", 1), encoding="utf-8")
    steps = f"Wrote {path}. Next:\n\n  shipway up --detach\n  shipway deploy {path} --watch"
    show({"file": str(path), "application": name}, steps, json=json)


def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Application, Platform, PriceCatalogue and PolicySet files.")
    ],
    json: Json = False,
) -> None:
    """Check files without deploying them.

    Prints every problem at once, as file:line:column. Files are checked
    together: a Platform among them holds for the Applications.

    Example: shipway validate shop.yaml platform.yaml
    """
    from shipway.cli.output import show
    from shipway.facts.files import read
    from shipway.model.errors import BadInput
    from shipway.spec import parse_documents
    from shipway.spec.policies import parse_policy_sets
    from shipway.spec.prices import parse_prices

    sources = read(files)
    parsed, (catalogues, wrong) = parse_documents(sources), parse_prices(sources)
    sets, wrong_sets = parse_policy_sets(sources)
    # What is wrong with a file as such is found by each of them.
    problems = list(dict.fromkeys([*parsed.problems, *wrong, *wrong_sets]))
    if any(problem.severity == "error" for problem in problems):
        raise BadInput("the files cannot be used", problems=problems)
    names = [application.metadata.name for application in parsed.applications]
    found = [f"application {name}" for name in names] + (["the platform"] if parsed.platform else [])
    found += [f"prices {catalogue.metadata.name}" for catalogue in catalogues]
    found += [f"policies {one.policies.metadata.name}" for one in sets]
    human = "\n".join([*map(str, problems), f"valid: {', '.join(found) or 'nothing is declared'}"])
    data = {"applications": names, "platform": parsed.platform is not None, "problems": problems}
    show(data, human, json=json)


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="application, platform, pricecatalogue or policyset.")],
    json: Json = False,
) -> None:
    """Print the JSON Schema of a kind of file, for editors.

    Example: shipway schema application > application.schema.json
    """
    from shipway.cli.output import show, to_json
    from shipway.model.errors import BadInput
    from shipway.model.suggestions import did_you_mean
    from shipway.spec import schema as schemas

    kinds = {known.lower(): known for known in schemas.KINDS}
    if kind.lower() not in kinds:
        raise BadInput(f'expected {", ".join(kinds)}, got "{kind}"{did_you_mean(kind, kinds)}')
    found = schemas.schema(kinds[kind.lower()])
    show(found, to_json(found), json=json)


def _label(name: str) -> str:
    """The nearest DNS label (RFC 1123): what an application may be called."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return kept[:63].strip("-") or "hello"

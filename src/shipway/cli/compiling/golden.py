"""``shipway init TEMPLATE NAME``: a repository that runs, rendered from ``templates/``. Called by ``documents.init``.

Every golden path is ``templates/base`` with ``templates/<template>`` laid over it; copier renders the files that end in
``.jinja`` and copies the others. The result appears under its name when it is complete, or not at all.
"""

import tempfile
from pathlib import Path

import shipway
from shipway.model.errors import BadInput, Refused, ShipwayError
from shipway.model.suggestions import did_you_mean

TEMPLATES = ("web-app", "api-service", "background-worker", "scheduled-job", "ml-model")
_BASE = "base"
_LONGEST = 63
"""Characters of a DNS label (RFC 1123)."""


def create(template: str, path: Path, team: str) -> list[str]:
    """Make the repository ``path``, named after its last part; the files in it, relative and sorted.

    Raises:
        BadInput: no such template, or a name that no application can have.
        Refused: there is something at ``path`` already.
    """
    if template not in TEMPLATES:
        hint = f"There are {', '.join(TEMPLATES)}."
        raise BadInput(f'there is no template "{template}"{did_you_mean(template, TEMPLATES)}', hint=hint)
    path = path.absolute()
    name = _checked("name", path.name)
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise Refused(f"{path} is already there", hint="Name another directory, or remove it first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=path.parent) as beside:
        made = Path(beside) / name
        _render(template, made, {"name": name, "team": _checked("team", team), "template": template})
        made.rename(path)  # an empty directory is replaced
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())


def _render(template: str, into: Path, answers: dict[str, str]) -> None:
    from copier import run_copy
    from copier.errors import CopierError

    for layer in (_BASE, template):
        try:
            run_copy(str(_templates() / layer), into, data=answers, defaults=True, overwrite=True, quiet=True)
        except CopierError as error:
            raise ShipwayError(f"the template {layer} cannot be rendered: {error}", hint="Please report it.") from error


def _checked(what: str, name: str) -> str:
    """A DNS label (RFC 1123), as applications and teams have it."""
    kept = name.replace("-", "a")
    if kept.isascii() and kept.isalnum() and kept == kept.lower() and len(name) <= _LONGEST and name.strip("-") == name:
        return name
    wanted = f"lower-case letters, digits and dashes, at most {_LONGEST}, a letter or digit at both ends"
    raise BadInput(f'expected a {what} of {wanted}; got "{name}"', hint="For example: shipway init web-app shop")


def _templates() -> Path:
    """Inside the wheel, or beside the sources."""
    package = Path(shipway.__file__).parent
    for place in (package / "templates", package.parent.parent / "templates"):
        if (place / _BASE).is_dir():
            return place
    raise ShipwayError("the templates are not there", hint="Install Shipway again; its wheel holds them.")

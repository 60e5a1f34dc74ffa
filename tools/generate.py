"""Writes every generated file, or says which are stale.

    python -m tools.generate            write them
    python -m tools.generate --check    exit 1 and name those that differ from what would be written

A generator is a path below the repository and a function without arguments that returns the file's whole text; the same
sources must give the same text, byte for byte, on every machine.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from shipway.rollout import diagram
from tools import cli_reference, picture, spec_reference

ROOT = Path(__file__).resolve().parent.parent

GENERATED: tuple[tuple[str, Callable[[], str]], ...] = (
    ("schemas/application.schema.json", spec_reference.application_schema),
    ("schemas/platform.schema.json", spec_reference.platform_schema),
    ("schemas/pricecatalogue.schema.json", spec_reference.price_catalogue_schema),
    ("schemas/policyset.schema.json", spec_reference.policy_set_schema),
    ("docs/spec.md", spec_reference.reference),
    ("docs/state-machine.svg", diagram.svg),
    ("docs/cli.md", cli_reference.reference),
    ("docs/live-rollout.svg", picture.live_rollout),
)


def stale(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """(path, text it should have) of every generated file that is missing or different."""
    for name, generate in GENERATED:
        path, text = root / name, generate()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield path, text


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """The command line; the exit code says whether anything was stale under ``--check``."""
    parser = argparse.ArgumentParser(description="Write the generated files.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not fresh")
    check = parser.parse_args(arguments).check
    found = list(stale(root))
    for path, text in found:
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(root)}" + ("; run `make generate`" if check else ""))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())

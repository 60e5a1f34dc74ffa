"""Price catalogues, and a Platform with those beside it. Called by what estimates and charges, and by the controller."""

from collections.abc import Sequence
from pathlib import Path

from shipway.cost.prices import PriceBook, price_book, priced
from shipway.facts.files import read
from shipway.facts.organisations import sources
from shipway.model.errors import BadInput
from shipway.spec import DeclaredPlatform, Source, parse_documents
from shipway.spec.organisation import Organisation
from shipway.spec.prices import parse_prices


def read_book(organisation: Organisation | None, sources: Sequence[Source], prices: Sequence[Path]) -> PriceBook:
    """The organisation's prices, from its own files and others.

    Raises:
        BadInput: a catalogue is wrong; carries every problem of all.
    """
    return priced([*sources, *read(prices)], organisation)


def read_platform(path: Path | None) -> tuple[DeclaredPlatform | None, PriceBook]:
    """The Platform of a file, or of the directory of an organisation; and the prices that are beside it.

    Raises:
        BadInput: with every problem in it.
    """
    if path is None:
        return None, price_book()
    try:
        files = sources(path) if path.is_dir() else [Source(str(path), path.read_bytes())]
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint="Check --platform.") from error
    parsed = parse_documents(files)
    catalogues, problems = parse_prices(files)
    wrong = [
        one for one in dict.fromkeys((*parsed.problems, *problems)) if one.severity == "error" or not path.is_dir()
    ]
    if wrong or parsed.declared_platform is None:
        hint = "" if wrong else "It needs a document with `kind: Platform`."
        raise BadInput(f"{path} holds no valid Platform", problems=wrong, hint=hint)
    return parsed.declared_platform, price_book(catalogues, parsed.declared_platform.platform.spec.prices)

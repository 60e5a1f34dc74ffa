"""What a query, a name and a label of a service level must be. Used by every reader of this room.

PromQL is parsed by ``promql-parser``; nothing is evaluated.
"""

import re

import promql_parser

from shipway.render.slo.levels import PLACEHOLDER, within
from shipway.slo.cursor import Cursor
from shipway.spec.fields import describe

NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

MOST_TEXT = 10_000
"""Characters of one query; the parser recurses."""


def name_at(at: Cursor) -> str:
    """A name that can stand in labels and rule names; empty (and a problem) when it is none."""
    text = at.text(required=True)
    if text and not NAME.fullmatch(text):
        expected = "letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit"
        at.wrong("bad-name", f"expected a name of {expected}, got {describe(text)}")
        return ""
    return text


def objective_at(at: Cursor) -> float:
    """Percent above 0 and at most 100; 0 (and a problem) otherwise."""
    found = at.number(required=True)
    if found is not None and not 0 < found <= 100:
        at.wrong("out-of-range", f"expected a percentage above 0 and at most 100, got {found:g}")
    return found if found is not None and 0 < found <= 100 else 0.0


def labels_at(at: Cursor) -> dict[str, str]:
    """Labels or annotations: valid names, values that are not empty."""
    found = at.texts()
    for key in found:
        if not LABEL.fullmatch(key):
            message = f"expected a label name of letters, digits and `_`, got {describe(key)}"
            (at / key).wrong("bad-label", message, key=True)
    return found


def query_at(at: Cursor) -> str:
    """A query over ``{{.window}}``; notes what is wrong with it."""
    text = at.text(required=True)
    if text and not PLACEHOLDER.search(text):
        at.wrong(
            "no-window", "expected `{{.window}}` as the range of the query, as in `rate(errors_total[{{.window}}])`"
        )
    elif text and (reason := unparsable(within(text, "5m"))):
        at.wrong("bad-query", f"this is not PromQL: {reason}")
    return text


def unparsable(query: str) -> str:
    """Why ``query`` is no PromQL; empty when it is."""
    if len(query) > MOST_TEXT:
        return f"expected at most {MOST_TEXT:,} characters, got {len(query):,}"
    if "{{" in query:
        return "`{{.window}}` is the only placeholder that can be filled in"
    try:
        promql_parser.parse(query)
    except ValueError as error:
        return str(error).splitlines()[0] if str(error) else "it cannot be parsed"
    return ""

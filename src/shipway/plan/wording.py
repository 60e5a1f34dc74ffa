"""A plan as text for a terminal and as Markdown for a pull request. Pure; JSON needs no words."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import msgspec

from shipway.cost.estimate import Change as CostChange
from shipway.plan.changes import Judged, ObjectChange, PlaceChange, Plan
from shipway.plan.fields import Field

MOST = 65_000
"""Characters of a comment: GitHub takes 65,536."""
_RESERVE = 200
"""Characters for the line that says what was left out."""
_WORTHWHILE = 2_000
"""Characters in which the beginning of a place says something."""
_NOTES = 40
"""Lines about one matter in a comment."""
LONGEST = 160
"""Characters of a value that are shown."""
NO_CHANGES = "No changes: every object is as it was."
_SIGNS = {"added": "+", "changed": "~", "removed": "-"}


def text(plan: Plan) -> str:
    """For a terminal or a log, without a newline at its end."""
    if plan.empty:
        return NO_CHANGES
    blocks = ["\n".join([_where(one), *_lines(one.objects, _text_field)]) for one in plan.places]
    blocks += [f"{title}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in _notes(plan)]
    return "\n\n".join([*blocks, _total(plan)])


def markdown(plan: Plan, most: int = MOST) -> str:
    """A comment of at most ``most`` characters: what judges the change first, then the change, as far as there is room."""
    if plan.empty:
        return f"### Plan\n\n{NO_CHANGES}"
    head = ["### Plan", _total(plan)]
    head += [
        f"**{title}**\n\n" + "\n".join(f"- {_inline(line)}" for line in _most(lines)) for title, lines in _notes(plan)
    ]
    return _fitted(head, [_details(one) for one in plan.places], most)


def _most(lines: Sequence[str]) -> Iterator[str]:
    """The first, so that there is room for what they are about."""
    yield from lines[:_NOTES]
    if len(lines) > _NOTES:
        yield f"and {len(lines) - _NOTES} more; `shipway plan` shows them"


def _fitted(head: Sequence[str], blocks: Sequence[str], most: int) -> str:
    """As many whole blocks as fit, in order, the beginning of the next, and a line about what is left out."""
    found, left, what = "\n\n".join(head), 0, []
    if len(found) > most - _RESERVE:
        found, left, what = f"{found[: most - _RESERVE - 1]}…", len(blocks), ["part of the notes"]
    for block in blocks[left:]:
        room = most - _RESERVE - len(found) - 2
        if what or left:
            left += 1
        elif len(block) <= room:
            found += f"\n\n{block}"
        elif room > _WORTHWHILE:
            found += f"\n\n{_beginning(block, room)}"
            what = ["the end of the last place shown"]
        else:
            left += 1
    what += [f"{left} of {_count(len(blocks), 'place')}"] if left else []
    return f"{found}\n\nLeft out for length: {', '.join(what)}; `shipway plan` shows everything." if what else found


def _beginning(block: str, room: int) -> str:
    """The first lines of a place, closed again."""
    end = "\n```\n\n</details>"
    return block[: room - len(end)].rpartition("\n")[0] + end


def _details(place: PlaceChange) -> str:
    lines = _lines(place.objects, _diff_field)
    said = _counted(one.verb for one in place.objects)
    return (
        f"<details><summary>{_where(place)}: {said}</summary>\n\n```diff\n" + "\n".join(lines) + "\n```\n\n</details>"
    )


def _where(place: PlaceChange) -> str:
    return f"{place.environment}/{place.cluster} {place.application or '(shared)'}"


def _lines(objects: Sequence[ObjectChange], field: Callable[[Field], list[str]]) -> Iterator[str]:
    # A line of a diff begins with the sign; in a terminal it stands below its place.
    indent = "  " if field is _text_field else ""
    for one in objects:
        sign = _SIGNS[one.verb] if indent or one.verb != "changed" else "!"
        yield f"{indent}{sign} {one}"
        for each in one.fields:
            yield from field(each)


def _text_field(field: Field) -> list[str]:
    before, after = excerpts(field.before, field.after)
    shown = {"added": after, "removed": before, "changed": f"{before} → {after}"}[field.verb]
    because = f"  ({field.because})" if field.because else ""
    return [f"      {_SIGNS[field.verb]} {_plain(field.path)}: {shown}{because}"]


def _diff_field(field: Field) -> list[str]:
    before, after = excerpts(field.before, field.after)
    because = f"  # {field.because}" if field.because else ""
    old, new = f"-     {_plain(field.path)}: {before}", f"+     {_plain(field.path)}: {after}{because}"
    return {"added": [new], "removed": [old], "changed": [old, new]}[field.verb]


def excerpts(before: Any, after: Any) -> tuple[str, str]:
    """Both values as JSON in one line, cut to what differs when they are long."""
    old, new = (_json(one) for one in (before, after))
    start = next((index for index, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, start - LONGEST // 4) if max(len(old), len(new)) > LONGEST else 0
    return _cut(old, start), _cut(new, start)


def _json(value: Any) -> str:
    return _plain(msgspec.json.encode(value).decode())


def _cut(shown: str, start: int) -> str:
    found = shown[start : start + LONGEST]
    return f"{'…' if start else ''}{found}{'…' if start + LONGEST < len(shown) else ''}"


def _plain(shown: str) -> str:
    """Without what could steer a terminal or end a block."""
    return "".join(one if one.isprintable() else "\ufffd" for one in shown)


def _inline(line: str) -> str:
    """As Markdown takes it literally, with no mention of anybody."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("@", "@\u200b").replace("`", "'")


def _notes(plan: Plan) -> Iterator[tuple[str, list[str]]]:
    """What is known about the change, each with a title; nothing where there is nothing."""
    notes = (
        ("Policy", [*(_finding(one) for one in plan.findings), *_judged(plan)]),
        ("Applications that the change of the Platform touches", [", ".join(plan.platform)] if plan.platform else []),
        ("Cost of a month", [_cost(one) for one in plan.costs]),
        ("Risk of a rollback", list(_risks(plan))),
        ("What the rollout can detect", list(_detects(plan))),
    )
    return ((title, lines) for title, lines in notes if lines)


def _judged(plan: Plan) -> list[str]:
    counted = plan.policy
    parts = (
        (counted.passed, "passed"),
        (counted.skipped - counted.excepted, "skipped"),
        (counted.excepted, "excepted"),
    )
    said = [f"{number} {what}" for number, what in parts if number]
    return [f"{', '.join(said)}."] if said else []


def _risks(plan: Plan) -> Iterator[str]:
    """The riskiest first, those of one risk together; then once how far the history carries."""
    same: dict[str, list[str]] = {}
    for one in sorted(plan.risks, key=lambda one: (-one.risk.probability, one.application)):
        risk = one.risk
        reasons = "; ".join(f"{reason.text} (odds x {math.exp(reason.log_odds):.2f})" for reason in risk.reasons)
        said = f"{risk.probability:.1%} (90 %: {risk.low:.1%} to {risk.high:.1%}){': ' * bool(reasons)}{reasons}"
        same.setdefault(said, []).append(one.application)
    yield from (f"{', '.join(names)}: {said}" for said, names in same.items())
    yield from dict.fromkeys(f"{one.risk.note[:1].upper()}{one.risk.note[1:]}." for one in plan.risks)


def _finding(judged: Judged) -> str:
    one = judged.finding
    where = f"{one.place.file}:{one.place.line}:{one.place.column}: " if one.place.line else ""
    more = f" and {_count(len(one.also), 'other')}" if one.also else ""
    word = "excepted" if one.exception else "error" if one.status == "error" else one.action
    return _plain(f"{where}{word} {one.rule}: {one.message} ({one.subject}{more}; {', '.join(judged.environments)})")


def _cost(one: CostChange) -> str:
    where = f"{one.application} {one.environment}/{one.cluster}"
    if one.low is None or one.high is None:
        return f"{where}: unknown, since not everything has a price"
    currency = next(side.currency for side in (one.after, one.before) if side and side.currency)
    amounts = dict.fromkeys(_signed(amount) for amount in (one.low, one.high))
    return f"{where}: {' to '.join(amounts)} {currency}"


def _signed(amount: Decimal) -> str:
    return f"{amount:+,.2f}"


def _detects(plan: Plan) -> Iterator[str]:
    for _, same in groupby(plan.detects, lambda one: (one.application, one.steps)):
        found = list(same)
        places = ", ".join(one.environment for one in found)
        for step in found[0].steps:
            yield f"{found[0].application} {places}: {step.sentence}"


def _total(plan: Plan) -> str:
    objects = [one.verb for place in plan.places for one in place.objects]
    applications = len({one.application for one in plan.places if one.application})
    denied = sum(one.finding.refuses for one in plan.findings)
    said = f"{_count(applications, 'application')}, {_count(len(objects), 'object')}: {_counted(objects)}."
    return f"{said} Policy denies it: {_count(denied, 'finding')}." if denied else said


def _counted(verbs: Iterable[str]) -> str:
    counts = Counter(verbs)
    return ", ".join(f"{counts[verb]} {verb}" for verb in _SIGNS if counts[verb])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

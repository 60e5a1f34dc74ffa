"""What is known as cards of the HTML report: words, numbers and pictures. Pure: what was learned in, sections out.

What cannot be said stands there with its reason; nothing is left out because it is not known.
"""

from collections.abc import Iterator, Sequence
from math import exp, isfinite

from shipway.cost.money import Unknown
from shipway.cost.wording import between_days, each, money, month
from shipway.facts.learning import Judged, Learned
from shipway.facts.scorecard import Scores
from shipway.insight.delivery import Group
from shipway.insight.series import DAY, Absent
from shipway.insight.simulating import Simulated
from shipway.insight.wording import AGAINST, between, duration, together
from shipway.slo.wording import COLUMNS, cells
from shipway.web.report import Section
from shipway.web.report.charts import Curve, Dots, Form, Picture, Range, bars, course, dots, ranges

MIB = 2.0**20
SHOWN = 300
"""Values of a series in front of its forecast."""
POINTS = 500
"""Of a curve."""


def sections(known: Learned) -> tuple[Section, ...]:
    """Every card, in the order in which they are read."""
    return (slo(known), cost(known), sizing(known), forecast(known), delivery(known), releases(known), risk(known))


def slo(known: Learned) -> Section:
    """Promises, and how their budgets went."""
    rows = tuple(tuple(cells(one)) for app in known.promises.applications for one in app.statuses)
    note = "Over as much of the window as was measured. A burn rate of 1 spends the whole budget in exactly the window."
    found = Section("Promises", tuple(name.capitalize() for name in COLUMNS), rows, note)
    pictures = tuple(_burn_downs(known))
    silent = [app.app for app in known.promises.applications if not app.statuses]
    absent = tuple(f"{app} promises nothing: it has no `slo` section, or nothing of it is live." for app in silent)
    statuses = [one for app in known.promises.applications for one in app.statuses]
    absent += tuple(f"{one.service} {one.name}: {one.sentence}." for one in statuses if one.state == "unknown")
    if not known.promises.applications:
        absent = ("Nothing is deployed, so nothing is promised.",)
    return found._replace(pictures=pictures, absent=absent)


def _burn_downs(known: Learned) -> Iterator[Picture]:
    statuses = {(one.service, one.name): one for app in known.promises.applications for one in app.statuses}
    for app, promised in known.courses.items():
        shown = {name: points for name, points in promised.items() if sum(isfinite(left) for _, left in points) > 1}
        if not shown:
            continue
        tones = ("main", "other", "wait", "plain")
        curves = [Curve(name, shown[name], tone) for name, tone in zip(shown, tones, strict=False)]
        says = "; ".join(
            f"{name}: {left:.1%} left" for name, points in shown.items() if isfinite(left := points[-1][1])
        )
        over = next((statuses[app, name].window for name in shown if (app, name) in statuses), "the window")
        first = next(iter(shown.values()))[0][0]
        marks = [(at, name) for at, name in known.begun.get(app, ()) if at >= first]
        yield course(
            f"Error budget of {app} that was left",
            curves,
            f"Error budget left over {over}: {says}",
            _percent,
            top=1.005,
            limits=[(0.0, "spent")] if any(left < 0.25 for _, left in _all(shown)) else (),
            marks=marks if len(marks) <= 12 else (),
        )


def _all(shown: dict[str, Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """All points together."""
    return [point for points in shown.values() for point in points if isfinite(point[1])]


def cost(known: Learned) -> Section:
    """What ran, what it cost, what its requests alone would cost, and how long budgets last."""
    found = known.cost
    if not found.rows:
        return Section("Cost", absent=("Unknown: no use was recorded. A running controller samples every 10 s.",))
    currency = found.currency
    rows = tuple(
        (
            row.name,
            duration(row.seconds),
            money(row.total, currency) if row.parts else "unknown",
            "unknown" if row.estimate is None else money(row.estimate, currency),
            month(row),
            "unknown" if row.requests is None else f"{row.requests:,}",
            "unknown" if row.per_request is None else each(row.per_request, currency),
        )
        for row in found.rows
    )
    apps: dict[str, dict[str, float]] = {}
    for row in found.rows:
        app, _, release = row.name.partition(" ")
        apps.setdefault(app, {})[release or app] = float(row.total)
    says = "; ".join(f"{app} {money(sum(parts.values()), currency)}" for app, parts in apps.items())
    picture = bars("Cost by application and release", list(apps.items()), says, lambda v: money(v, currency))
    columns = ("Release", "Ran for", "Cost", "Estimate", "A month like that", "Requests", "A request")
    return Section(
        "Cost",
        columns,
        rows,
        f"Prices: {found.prices}. A release costs the more of what it requests (the estimate) and what it uses. "
        "A month has 730 hours.",
        (picture, *_budget_pictures(known)),
        tuple(_cost_gaps(known)),
        frozenset(columns[1:]),
    )


def _cost_gaps(known: Learned) -> Iterator[str]:
    yield from (f"Unknown: {reason}." for reason in dict.fromkeys(r for row in known.cost.rows for r in row.unknown))
    if any(row.estimate is None for row in known.cost.rows):
        yield "No estimate to compare with: some releases request no CPU or memory, and cost what they use."
    if isinstance(known.budgets, Absent):
        yield f"No day on which a budget is exceeded: {known.budgets.reason}."
    else:
        for one in known.budgets.budgets:
            if isinstance(one.budget.outlook, Unknown):
                yield f"No forecast for the budget of {one.name or 'all'}: {one.budget.outlook.reason}."
            else:
                yield f"{one.name or 'All'}: {one.budget.state}; budget exceeded on {between_days(one.budget)}."


def _budget_pictures(known: Learned) -> Iterator[Picture]:
    """Spent, and the month's end, beside the budget."""
    if isinstance(known.budgets, Absent):
        return
    known_ones = [one for one in known.budgets.budgets if not isinstance(one.budget.outlook, Unknown)]
    rows = [
        Range(
            one.name or "all",
            one.budget.outlook.low,
            one.budget.outlook.mean,
            one.budget.outlook.high,
            {"spent": one.budget.spent, "budget": one.budget.budget},
        )
        for one in known_ones
        if not isinstance(one.budget.outlook, Unknown)
    ]
    if rows:
        currency = known_ones[0].currency
        says = "; ".join(f"{row.name}: {money(row.middle, currency)} by the month's end" for row in rows)
        yield ranges(
            "What the month will cost", rows, says, lambda v: money(v, currency), legends=("90 % of months", "expected")
        )


def sizing(known: Learned) -> Section:
    """What an instance requests and uses, and what it should request."""
    title = "Right-sizing"
    if not known.sizes:
        return Section(title, absent=("Unknown: no use was recorded. A running controller samples every 10 s.",))
    measured = [(one, one.observed) for one in known.sizes if one.observed is not None]
    rows = []
    absent = [
        f"{one.application}: no advice of {advice.recommender}: {advice.absent}."
        for one in known.sizes
        for advice in one.advice
        if advice.absent
    ]
    for one, used in measured:
        present = (
            one.application,
            _cores(one.now.cpu),
            f"{_cores(used.cpu_p95)}, most {_cores(used.cpu_most)}",
            _mib(one.now.memory),
            f"{_mib(used.memory_p95)}, most {_mib(used.memory_most)}",
        )
        advised = [(advice.recommender, found) for advice in one.advice if (found := advice.recommendation)]
        rows += [
            (
                *present,
                name,
                f"{_cores(found.cpu_request)} cores, {_mib(found.memory_request)}",
                f"{found.confidence:.0%}",
            )
            for name, found in advised
        ] or [(*present, "-", "unknown", "-")]
    pictures = []
    if measured:
        cpu = [
            Range(o.application, u.cpu_median, u.cpu_p95, u.cpu_most, _marks(o.now.cpu, "requested"))
            for o, u in measured
        ]
        memory = [
            Range(
                o.application,
                u.memory_median / MIB,
                u.memory_p95 / MIB,
                u.memory_most / MIB,
                _marks(None if o.now.memory is None else o.now.memory / MIB, "requested, and the limit"),
            )
            for o, u in measured
        ]
        names = ("median to most", "95 % of the time below")
        says = "; ".join(f"{o.application}: {u.cpu_p95:.3g} cores at the 95th percentile" for o, u in measured)
        pictures.append(ranges("CPU of one instance, cores", cpu, says, lambda v: f"{v:.3g}", legends=names))
        says = "; ".join(f"{o.application}: {_mib(u.memory_most)} at most" for o, u in measured)
        pictures.append(ranges("Memory of one instance, MiB", memory, says, lambda v: f"{v:,.0f}", legends=names))
    days = "; ".join(f"{one.application}: {duration(DAY * one.days)} of history" for one in known.sizes)
    columns = ("Container", "CPU now", "CPU used", "Memory now", "Memory used", "By", "Should request", "Confidence")
    note = f"Used: the 95th percentile, and the most. {days}."
    return Section(title, columns, tuple(rows), note, tuple(pictures), tuple(absent))


def _marks(value: float | None, name: str) -> dict[str, float]:
    return {} if value is None else {name: value}


def forecast(known: Learned) -> Section:
    """What is to come, behind what was."""
    title = "Forecast of requests"
    if not known.outlooks:
        return Section(title, absent=("Unknown: no use was recorded. A running controller samples every 10 s.",))
    absent = [f"{o.application}, next {duration(o.ahead)}: {o.absent}." for o in known.outlooks if o.absent]
    pictures, rows = [], []
    for one in known.outlooks:
        if one.absent:
            continue
        past = known.rates.get(one.application)
        if past is None or isinstance(past, Absent):
            continue
        if one.step > 1.5 * past.step:
            past = past.coarser(round(one.step / past.step))
        past = past.last(min(SHOWN, 4 * len(one.mean) + 60))
        before = [(past.start + i * past.step, value) for i, value in enumerate(past.values.tolist())]
        ahead = [(one.start + i * one.step, value) for i, value in enumerate(one.mean)]
        band = list(zip(one.low, one.high, strict=True))
        mean, span = sum(one.mean) / len(one.mean), f"{min(one.low):.3g} to {max(one.high):.3g}"
        says = f"{one.application}, next {duration(one.ahead)}: {mean:.3g} a second, 90 % within {span}"
        name = f"Requests a second to {one.application}, next {duration(one.ahead)}"
        curves = (Curve("measured", before, "plain"), Curve("forecast, with 90 % band", ahead, "main", band))
        pictures.append(course(name, curves, says, lambda v: f"{v:,.3g}", floor=0.0))
        rows.append((one.application, duration(one.ahead), f"{mean:.3g}", f"{max(one.mean):.3g}", span, one.model))
    columns = ("Application", "Next", "Mean", "Highest", "90 % within", "By")
    return Section(title, columns, tuple(rows), "", tuple(pictures), tuple(absent), frozenset(columns[2:5]))


def delivery(known: Learned) -> Section:
    """The four measures and what goes with them, and every deployment."""
    card = known.scorecard
    title = f"Delivery, the last {duration(DAY * card.days)}"
    if not card.groups:
        return Section(title, absent=("Nothing has been deployed and decided in that time.",))
    columns = (
        *("Application", "Deployments", "Lead time", "Change failures", "Restored in", "Detected in"),
        *("A deployment costs", "Promises kept", "Level"),
    )
    pairs = list(zip(card.groups, card.scores, strict=True))
    rows = tuple(_group(group, scores) for group, scores in pairs)
    tones = {"success": "good", "failed": "wait", "rolled back": "bad"}
    since = known.at - card.days * DAY
    inside = [one for one in known.deployments if one.finished_at >= since]
    groups = [
        Dots(result, [(d.started_at, d.finished_at - d.started_at) for d in inside if d.result == result], tone)
        for result, tone in tones.items()
        if any(one.result == result for one in inside)
    ]
    failed = sum(one.result != "success" for one in inside)
    says = f"{len(inside)} deployments, {failed} of them failed or were rolled back"
    picture = dots("Deployments, and how long each took", groups, says, (None, duration))
    absent = [
        f"{group.name}: {_MEASURES[key]} unknown: {why}."
        for group, _ in pairs
        for key, why in group.now.absent.items()
        if key in _MEASURES
    ]
    absent += [
        f"{scores.name}: cost of a deployment unknown: {scores.cost_per_deployment.reason}."
        for _, scores in pairs
        if isinstance(scores.cost_per_deployment, Absent)
    ]
    return Section(title, columns, rows, "", (picture,) if groups else (), tuple(absent), frozenset(columns[1:-1]))


def releases(known: Learned) -> Section:
    """Cost beside performance, release by release."""
    title = "Releases side by side"
    found = known.scorecard.comparison
    answered = [one for one in found.releases if one.requests]
    if not answered:
        return Section(title, absent=("Unknown: no requests of any release were counted.",))
    columns = ("Release", "Requests", "A request costs", "P95", "Errors")
    rows = tuple(
        (
            f"{one.application} {one.release}",
            f"{one.requests:,}",
            between(one.cost_per_request, lambda cost: f"{cost:.2g}"),
            between(one.p95, lambda seconds: f"{1000 * seconds:.3g} ms"),
            between(one.error_rate, lambda share: f"{share:.2%}"),
        )
        for one in answered
    )
    currency = next((one.currency for one in answered if one.currency), "")
    absent = tuple(
        f"{one.application} {one.release}: cost of a request unknown: {one.cost_per_request.reason}."
        for one in answered
        if isinstance(one.cost_per_request, Absent)
    )
    said = [
        f"Cost of a request against {words}: {together(found.correlations[name])}." for name, words in AGAINST.items()
    ]
    note = f"With 95 % intervals{f'; costs in {currency}' if currency else ''}. Rank correlations over releases: {' '.join(said)}"
    return Section(title, columns, rows, note, (), absent, frozenset(columns[1:]))


_MEASURES = {"lead_time": "lead time", "restore": "time to restore", "detect": "time to detect", "level": "level"}


def _group(one: Group, scores: Scores) -> tuple[str, ...]:
    now, price, kept = one.now, scores.cost_per_deployment, scores.promises
    share = now.change_failure
    return (
        one.name or "-",
        f"{now.deployments}",
        *(duration(each.median) if each else "-" for each in (now.lead_time,)),
        f"{share.rate:.0%} ({share.low:.0%} to {share.high:.0%})" if share else "-",
        *(duration(each.median) if each else "-" for each in (now.restore, now.detect)),
        "unknown" if isinstance(price, Absent) else money(price.amount, price.currency),
        "unknown" if isinstance(kept, Absent) else f"{kept.kept} of {kept.known}",
        now.level or "-",
    )


def risk(known: Learned) -> Section:
    """How likely each of the last releases was to be rolled back, before it went."""
    title = "Risk, before each release went"
    if not known.risks:
        return Section(title, absent=("Nothing was released yet.",))
    columns = ("Release", "Likely to be rolled back", "90 % within", "Reasons, times the odds", "What became of it")
    rows = tuple(_judged(one) for one in reversed(known.risks))
    tones = {"promoted": "good", "rolled_back": "bad", "aborted": "wait"}
    shown = [
        Range(one.rollout, one.assessed.risk.low, one.assessed.risk.probability, one.assessed.risk.high, {}, tone)
        for one in reversed(known.risks)
        if (tone := tones.get(one.verdict, "main"))
    ]
    says = "; ".join(f"{one.rollout} {one.assessed.risk.probability:.0%}" for one in known.risks)
    picture = ranges(
        "Chance of a rollback", shown, says, lambda v: f"{v:.0%}", legends=("90 % interval", "probability")
    )
    picture = picture._replace(
        caption="Green: promoted. Red: rolled back. Each was judged by what came before it alone."
    )
    note = known.risks[-1].assessed.risk.note
    return Section(title, columns, rows, f"{note[:1].upper()}{note[1:]}.", (picture,), (), frozenset(columns[1:3]))


def _judged(one: Judged) -> tuple[str, ...]:
    found = one.assessed.risk
    reasons = "; ".join(f"{reason.text} x {exp(reason.log_odds):.2f}" for reason in found.reasons)
    return (
        one.rollout,
        f"{found.probability:.1%}",
        f"{found.low:.1%} to {found.high:.1%}",
        reasons or "none that is known",
        one.verdict.replace("_", " "),
    )


def scaling(one: Simulated) -> Section:
    """Overload against money, and the instances of every policy behind the load."""
    title = f"Scaling of {one.application}"
    if one.absent:
        return Section(title, absent=(f"Unknown: {one.absent}.",))
    columns = ("Policy", "Time overloaded", "Load unserved", "Cost", "Dearest hour", "Peaks covered", "In conflict")
    rows = tuple(
        (
            row.policy,
            f"{row.overloaded:.2%}",
            f"{row.unserved:.2%}",
            "unknown" if row.cost is None else money(row.cost, one.currency),
            "unknown" if row.dearest is None else money(row.dearest, one.currency),
            "-" if row.covered is None else f"{row.covered:.1%}",
            f"{row.conflicts} steps",
        )
        for row in one.outcomes
    )
    says = "; ".join(f"{row[0]}: overloaded {row[1]} of the time, costs {row[3]}" for row in rows)
    against = [
        Dots(
            row.policy,
            [(row.instance_hours if row.cost is None else row.cost, 100 * row.overloaded)],
            _TONES[row.policy],
        )
        for row in one.outcomes
    ]
    priced = one.price is not None
    over: Form = (lambda v: money(v, one.currency)) if priced else (lambda v: f"{v:,.4g}")
    names = ("cost of the trace" if priced else "instance hours, whose price is unknown", "time overloaded, %")
    curves = [Curve("load", _thinned(one.load, one.start, one.step), "ink")]
    curves += [
        Curve(
            row.policy,
            _thinned([one.capacity * count for count in row.instances], one.start, one.step),
            _TONES[row.policy],
            step=True,
        )
        for row in one.outcomes
    ]
    pictures = (
        dots("Overload against money", against, says, (over, lambda v: f"{v:.3g}"), names=names),
        course("What the instances carry, and the load", curves, says, lambda v: f"{v:,.4g}", floor=0.0),
    )
    absent = tuple(f"Conflict of {row.policy}: {row.conflict}." for row in one.outcomes if row.conflict)
    return Section(title, columns, rows, "", pictures, absent, frozenset(columns[1:]))


_TONES = {"reactive": "wait", "predictive": "main", "cost-aware": "other"}


def _percent(value: float) -> str:
    return f"{100 * value:.4g} %"


def _cores(value: float | None) -> str:
    return "unset" if value is None else f"{value:.3g}"


def _mib(value: float | None) -> str:
    return "unset" if value is None else f"{value / MIB:,.0f} MiB"


def _thinned(values: Sequence[float], start: float, step: float) -> list[tuple[float, float]]:
    """(time, the most of as many values as makes a picture)."""
    every = -(-len(values) // POINTS)
    return [(start + at * step, float(max(values[at : at + every]))) for at in range(0, len(values), every)]

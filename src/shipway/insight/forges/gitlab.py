"""Answers of GitLab's REST API (v4), told apart by their fields, as a :class:`~.history.Forge`.

Read are deployments, merge requests, commits, releases, and issues: incidents by their type or by a label.
"""

import re
from collections.abc import Iterable

import msgspec

from shipway.insight.delivery import Incident
from shipway.insight.forges.answers import Answer, Item, Shapes, Takers, take
from shipway.insight.forges.history import PRODUCTION, RELEASE, Change, Deploy, Forge, Written
from shipway.model.problems import Problem

_PROJECT = re.compile(r"https?://[^/]+/(?:.+/)?([^/]+)/-/")


SHAPES: Shapes = (
    ("deployment", ("environment", "sha", "status", "created_at")),
    ("change", ("iid", "merge_commit_sha", "target_branch")),
    ("commit", ("id", "short_id", "parent_ids")),
    ("release", ("tag_name", "released_at")),
    ("issue", ("iid", "labels", "created_at")),
)


def read(items: Iterable[Item], labels: frozenset[str]) -> tuple[Forge, list[Problem]]:
    """``labels`` are those of issues that are incidents, in lower case."""
    forge = Forge()
    takers: Takers = {
        "commit": lambda d: forge.commits.update({d.text("id"): _commit(d)}),
        "change": lambda d: forge.changes.append(_change(d)),
        "issue": lambda d: _issue(d, forge, labels),
        "deployment": lambda d: forge.deploys.append(_deploy(d)),
        "release": lambda d: forge.deploys.append(_release(d)),
    }
    problems = take(items, SHAPES, takers, forge)
    return _named(forge), problems


def _deploy(data: Answer) -> Deploy:
    environment, job, status = data.inside("environment"), data.inside("deployable"), data.text("status")
    ended = data.optional_moment("finished_at") or job.optional_moment("finished_at")
    url = job.inside("commit").text("web_url") or job.text("web_url")
    name = environment.text("name")
    return Deploy(
        id=data.text("id"),
        application=_project(url),
        environment=name,
        production=environment.text("tier") == "production" or bool(PRODUCTION.search(name)),
        sha=data.text("sha"),
        started_at=data.moment("created_at"),
        ended_at=(ended or data.optional_moment("updated_at")) if status in {"success", "failed"} else None,
        good=status == "success",
    )


def _release(data: Answer) -> Deploy:
    at = data.moment("released_at")
    return Deploy(
        id=data.text("tag_name"),
        application=_project(data.inside("_links").text("self")),
        environment=RELEASE,
        production=not data.get("upcoming_release"),
        sha=data.inside("commit").text("id"),
        started_at=at,
        ended_at=at,
        good=True,
    )


def _change(data: Answer) -> Change:
    return Change(
        id=data.text("iid"),
        author=data.inside("author").text("username"),
        created_at=data.moment("created_at"),
        merged_at=data.optional_moment("merged_at"),
        merge_commit=data.text("merge_commit_sha") or data.text("squash_commit_sha") or data.text("sha"),
        head=data.text("sha"),
    )


def _commit(data: Answer) -> Written:
    return Written(data.moment("authored_date"), tuple(str(one) for one in data.listed("parent_ids")))


def _issue(data: Answer, forge: Forge, labels: frozenset[str]) -> None:
    if data.is_labelled(labels) or data.get("issue_type") == "incident":
        forge.incidents.append(
            Incident(
                id=data.text("iid"),
                application=_project(data.text("web_url")),
                opened_at=data.moment("created_at"),
                resolved_at=data.optional_moment("closed_at"),
            )
        )


def _project(url: str) -> str:
    found = _PROJECT.match(url)
    return found.group(1) if found else ""


def _named(forge: Forge) -> Forge:
    """An answer about one project names it in some of its parts alone: deployments without a job have no address."""
    named: list[Deploy | Incident] = [*forge.deploys, *forge.incidents]
    names = {one.application for one in named if one.application}
    if len(names) == 1:
        (name,) = names
        forge.deploys = [msgspec.structs.replace(one, application=one.application or name) for one in forge.deploys]
    return forge

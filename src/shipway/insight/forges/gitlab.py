"""Answers of GitLab's REST API (v4), told apart by their fields, as a :class:`~.history.Forge`.

Read are deployments, merge requests, commits, releases, and issues: incidents by their type or by a label.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shipway.insight.delivery import Incident
from shipway.insight.forges.history import (
    PRODUCTION,
    RELEASE,
    Change,
    Deploy,
    Forge,
    Item,
    Kind,
    Shapes,
    Taker,
    Written,
    inside,
    listed,
    moment,
    optional_moment,
    take,
    text,
)
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
    takers: dict[Kind, Taker] = {
        "commit": lambda d: forge.commits.update({text(d, "id"): _commit(d)}),
        "change": lambda d: forge.changes.append(_change(d)),
        "issue": lambda d: _issue(d, forge, labels),
        "deployment": lambda d: forge.deploys.append(_deploy(d)),
        "release": lambda d: forge.deploys.append(_release(d)),
    }
    problems = take(items, SHAPES, takers, forge)
    return _named(forge), problems


def _deploy(data: Mapping[str, Any]) -> Deploy:
    environment, job, status = inside(data, "environment"), inside(data, "deployable"), text(data, "status")
    ended = optional_moment(data, "finished_at") or optional_moment(job, "finished_at")
    url = text(inside(job, "commit"), "web_url") or text(job, "web_url")
    name = text(environment, "name")
    return Deploy(
        id=text(data, "id"),
        application=_project(url),
        environment=name,
        production=text(environment, "tier") == "production" or bool(PRODUCTION.search(name)),
        sha=text(data, "sha"),
        started_at=moment(data, "created_at"),
        ended_at=(ended or optional_moment(data, "updated_at")) if status in {"success", "failed"} else None,
        good=status == "success",
    )


def _release(data: Mapping[str, Any]) -> Deploy:
    at = moment(data, "released_at")
    return Deploy(
        id=text(data, "tag_name"),
        application=_project(text(inside(data, "_links"), "self")),
        environment=RELEASE,
        production=not data.get("upcoming_release"),
        sha=text(inside(data, "commit"), "id"),
        started_at=at,
        ended_at=at,
        good=True,
    )


def _change(data: Mapping[str, Any]) -> Change:
    return Change(
        id=text(data, "iid"),
        author=text(inside(data, "author"), "username"),
        created_at=moment(data, "created_at"),
        merged_at=optional_moment(data, "merged_at"),
        merge_commit=text(data, "merge_commit_sha") or text(data, "squash_commit_sha") or text(data, "sha"),
        head=text(data, "sha"),
    )


def _commit(data: Mapping[str, Any]) -> Written:
    return Written(moment(data, "authored_date"), tuple(str(one) for one in listed(data, "parent_ids")))


def _issue(data: Mapping[str, Any], forge: Forge, labels: frozenset[str]) -> None:
    names = {text(one, "name") if isinstance(one, dict) else str(one) for one in listed(data, "labels")}
    if data.get("issue_type") == "incident" or labels & {name.lower() for name in names}:
        forge.incidents.append(
            Incident(
                id=text(data, "iid"),
                application=_project(text(data, "web_url")),
                opened_at=moment(data, "created_at"),
                resolved_at=optional_moment(data, "closed_at"),
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

"""Answers of GitHub's REST API (version 2022-11-28), told apart by their fields, as a :class:`~.history.Forge`.

Read are deployments and their statuses, pull requests and their comments and reviews, commits, releases with tags, and issues.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

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

_REPOSITORY = re.compile(r"/repos/[^/]+/([^/]+)")
_SHA = re.compile(r"[0-9a-f]{40,64}")


SHAPES: Shapes = (
    ("status", ("deployment_url", "state")),
    ("deployment", ("sha", "environment", "created_at")),
    ("change", ("number", "merge_commit_sha")),
    ("comment", ("pull_request_url", "user")),
    ("commit", ("sha", "commit", "parents")),
    ("release", ("tag_name", "published_at")),
    ("tag", ("name", "commit", "zipball_url")),
    ("issue", ("number", "labels", "created_at")),
)


def read(items: Iterable[Item], labels: frozenset[str]) -> tuple[Forge, list[Problem]]:
    """``labels`` are those of issues that are incidents, in lower case."""
    forge = Forge()
    statuses: dict[str, list[tuple[float, str]]] = {}
    tags: dict[str, str] = {}
    takers: dict[Kind, Taker] = {
        "status": lambda d: statuses.setdefault(_last(text(d, "deployment_url")), []).append(
            (moment(d, "created_at"), text(d, "state"))
        ),
        "tag": lambda d: tags.update({text(d, "name"): text(inside(d, "commit"), "sha")}),
        "commit": lambda d: forge.commits.update({text(d, "sha"): _commit(d)}),
        "change": lambda d: forge.changes.append(_change(d)),
        "comment": lambda d: _comment(d, forge),
        "issue": lambda d: _issue(d, forge, labels),
        "deployment": lambda d: forge.deploys.append(_deploy(d, statuses)),
        "release": lambda d: forge.deploys.append(_release(d, tags)),
    }
    return forge, take(items, SHAPES, takers, forge)


def _deploy(data: Mapping[str, Any], statuses: Mapping[str, list[tuple[float, str]]]) -> Deploy:
    name, environment = text(data, "id"), text(data, "environment")
    # A deployment that was replaced is `inactive` later; what counts is how it first ended.
    ends = sorted((at, state) for at, state in statuses.get(name, ()) if state in {"success", "failure", "error"})
    return Deploy(
        id=name,
        application=_repository(text(data, "repository_url") or text(data, "url")),
        environment=environment,
        production=data.get("production_environment") is True or bool(PRODUCTION.search(environment)),
        sha=text(data, "sha"),
        started_at=moment(data, "created_at"),
        ended_at=ends[0][0] if ends else None,
        good=bool(ends) and ends[0][1] == "success",
    )


def _release(data: Mapping[str, Any], tags: Mapping[str, str]) -> Deploy:
    tag, target = text(data, "tag_name"), text(data, "target_commitish")
    at = optional_moment(data, "published_at")
    return Deploy(
        id=tag,
        application=_repository(text(data, "url")),
        environment=RELEASE,
        production=not data.get("prerelease") and not data.get("draft"),
        sha=tags.get(tag, target if _SHA.fullmatch(target) else ""),
        started_at=at or moment(data, "created_at"),
        ended_at=at,
        good=True,
    )


def _change(data: Mapping[str, Any]) -> Change:
    return Change(
        id=text(data, "number"),
        author=text(inside(data, "user"), "login"),
        created_at=moment(data, "created_at"),
        merged_at=optional_moment(data, "merged_at"),
        merge_commit=text(data, "merge_commit_sha"),
        head=text(inside(data, "head"), "sha"),
    )


def _commit(data: Mapping[str, Any]) -> Written:
    parents = tuple(text(one, "sha") for one in listed(data, "parents") if isinstance(one, dict))
    return Written(moment(inside(inside(data, "commit"), "author"), "date"), parents)


def _comment(data: Mapping[str, Any], forge: Forge) -> None:
    at = optional_moment(data, "submitted_at") or moment(data, "created_at")
    found = (at, text(data, "id"), text(inside(data, "user"), "login"))
    forge.comments.setdefault(_last(text(data, "pull_request_url")), []).append(found)


def _issue(data: Mapping[str, Any], forge: Forge, labels: frozenset[str]) -> None:
    if "pull_request" in data:  # the list of issues has pull requests too
        return
    names = {text(one, "name") if isinstance(one, dict) else str(one) for one in listed(data, "labels")}
    if labels & {name.lower() for name in names}:
        forge.incidents.append(
            Incident(
                id=text(data, "number"),
                application=_repository(text(data, "repository_url") or text(data, "url")),
                opened_at=moment(data, "created_at"),
                resolved_at=optional_moment(data, "closed_at"),
            )
        )


def _last(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def _repository(url: str) -> str:
    found = _REPOSITORY.search(url)
    return found.group(1) if found else ""

"""Answers of GitHub's REST API (version 2022-11-28), told apart by their fields, as a :class:`~.history.Forge`.

Read are deployments and their statuses, pull requests and their comments and reviews, commits, releases with tags, and issues.
"""

import re
from collections.abc import Iterable, Mapping

from shipway.insight.delivery import Incident
from shipway.insight.forges.answers import Answer, Item, Shapes, Takers, take
from shipway.insight.forges.history import PRODUCTION, RELEASE, Change, Deploy, Forge, Written
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
    takers: Takers = {
        "status": lambda d: statuses.setdefault(_last(d.text("deployment_url")), []).append(
            (d.moment("created_at"), d.text("state"))
        ),
        "tag": lambda d: tags.update({d.text("name"): d.inside("commit").text("sha")}),
        "commit": lambda d: forge.commits.update({d.text("sha"): _commit(d)}),
        "change": lambda d: forge.changes.append(_change(d)),
        "comment": lambda d: _comment(d, forge),
        "issue": lambda d: _issue(d, forge, labels),
        "deployment": lambda d: forge.deploys.append(_deploy(d, statuses)),
        "release": lambda d: forge.deploys.append(_release(d, tags)),
    }
    return forge, take(items, SHAPES, takers, forge)


def _deploy(data: Answer, statuses: Mapping[str, list[tuple[float, str]]]) -> Deploy:
    name, environment = data.text("id"), data.text("environment")
    # A deployment that was replaced is `inactive` later; what counts is how it first ended.
    ends = sorted((at, state) for at, state in statuses.get(name, ()) if state in {"success", "failure", "error"})
    return Deploy(
        id=name,
        application=_repository(data.text("repository_url") or data.text("url")),
        environment=environment,
        production=data.get("production_environment") is True or bool(PRODUCTION.search(environment)),
        sha=data.text("sha"),
        started_at=data.moment("created_at"),
        ended_at=ends[0][0] if ends else None,
        good=bool(ends) and ends[0][1] == "success",
    )


def _release(data: Answer, tags: Mapping[str, str]) -> Deploy:
    tag, target = data.text("tag_name"), data.text("target_commitish")
    at = data.optional_moment("published_at")
    return Deploy(
        id=tag,
        application=_repository(data.text("url")),
        environment=RELEASE,
        production=not data.get("prerelease") and not data.get("draft"),
        sha=tags.get(tag, target if _SHA.fullmatch(target) else ""),
        started_at=at or data.moment("created_at"),
        ended_at=at,
        good=True,
    )


def _change(data: Answer) -> Change:
    return Change(
        id=data.text("number"),
        author=data.inside("user").text("login"),
        created_at=data.moment("created_at"),
        merged_at=data.optional_moment("merged_at"),
        merge_commit=data.text("merge_commit_sha"),
        head=data.inside("head").text("sha"),
    )


def _commit(data: Answer) -> Written:
    parents = tuple(one.text("sha") for one in data.listed("parents") if isinstance(one, Answer))
    return Written(data.inside("commit").inside("author").moment("date"), parents)


def _comment(data: Answer, forge: Forge) -> None:
    at = data.optional_moment("submitted_at") or data.moment("created_at")
    found = (at, data.text("id"), data.inside("user").text("login"))
    forge.comments.setdefault(_last(data.text("pull_request_url")), []).append(found)


def _issue(data: Answer, forge: Forge, labels: frozenset[str]) -> None:
    if "pull_request" in data:  # the list of issues has pull requests too
        return
    if data.is_labelled(labels):
        forge.incidents.append(
            Incident(
                id=data.text("number"),
                application=_repository(data.text("repository_url") or data.text("url")),
                opened_at=data.moment("created_at"),
                resolved_at=data.optional_moment("closed_at"),
            )
        )


def _last(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def _repository(url: str) -> str:
    found = _REPOSITORY.search(url)
    return found.group(1) if found else ""

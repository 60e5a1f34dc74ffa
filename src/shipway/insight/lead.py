"""Lead time of pull requests in its parts: coding, pickup, review, deploy, whole minutes rounded up.

Called for imported histories of GitHub and GitLab. Equal to Apache DevLake's definition, minute for minute: the
deployment of a change is the first successful one to production whose commits since the successful one before hold the
change's merge commit; a negative part is unknown, not negative.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A change as its repository knows it. Times are seconds since the epoch."""

    id: str
    author: str = ""
    created_at: float
    merged_at: float | None = None
    merge_commit: str = ""
    commits: tuple[tuple[float, str], ...] = ()
    """(authored at, sha)."""
    comments: tuple[tuple[float, str, str], ...] = ()
    """(at, id, author)."""


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """A successful deployment to production, with the commits that it brought."""

    id: str
    finished_at: float
    commits: frozenset[str]
    """Since the successful deployment before it."""


class LeadTime(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of a change's lead time, in minutes; None: unknown."""

    id: str
    first_commit: str = ""
    first_review: str = ""
    deployment: str = ""
    coding: int | None = None
    """First commit to pull request."""
    pickup: int | None = None
    """Pull request to first comment by somebody else."""
    review: int | None = None
    """That comment to merge."""
    deploy: int | None = None
    """Merge to the end of the deployment."""
    total: int | None = None
    """Coding, pull request to merge, and deploy."""


def lead_times(requests: Iterable[PullRequest], deployments: Iterable[Shipped]) -> list[LeadTime]:
    """Of every merged pull request, in their order."""
    first: dict[str, Shipped] = {}
    for shipped in sorted(deployments, key=lambda one: one.finished_at):
        for commit in shipped.commits:
            first.setdefault(commit, shipped)
    return [_lead(one, one.merged_at, first) for one in requests if one.merged_at is not None]


def _lead(request: PullRequest, merged_at: float, first: Mapping[str, Shipped]) -> LeadTime:
    begun = min(request.commits, default=None)
    # Without an author every comment is by somebody else.
    reviews = sorted(one for one in request.comments if not request.author or one[2] != request.author)
    review = reviews[0] if reviews else None
    shipped = first.get(request.merge_commit) if request.merge_commit else None
    coding = _minutes(begun[0], request.created_at) if begun else None
    deploy = _minutes(merged_at, shipped.finished_at) if shipped else None
    return LeadTime(
        id=request.id,
        first_commit=begun[1] if begun else "",
        first_review=review[1] if review else "",
        deployment=shipped.id if shipped else "",
        coding=coding,
        pickup=_minutes(request.created_at, review[0]) if review else None,
        review=_minutes(review[0], merged_at) if review else None,
        deploy=deploy,
        total=_sum((coding, _minutes(request.created_at, merged_at), deploy)),
    )


def _minutes(begin: float, end: float) -> int | None:
    minutes = math.ceil((end - begin) / 60)
    return minutes if minutes >= 0 else None


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None

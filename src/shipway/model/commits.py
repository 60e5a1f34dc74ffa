"""Where a release comes from: the commit and what it changed since the release before, or why nobody can say.

Found by ``cli.commits`` where the files are, journalled with the release, read by delivery statistics and by risk.
"""

from hashlib import blake2b

import msgspec


class Commit(msgspec.Struct, frozen=True, kw_only=True, tag="commit", omit_defaults=True):
    """A commit of a version control system. Times are seconds since the epoch; None: unknown."""

    sha: str
    author: str = ""
    """As the repository has it, or its digest (see :func:`pseudonym`)."""
    authored_at: float | None = None
    committed_at: float | None = None
    since: str = ""
    """Commit of the release that was live before; empty when there was none, or the repository does not have it."""
    brought: tuple[float, ...] = ()
    """When the commits since then were authored, those alone that touch what is the application's own."""
    lines_added: int | None = None
    """Since the release before, in what is the application's own; None without one to compare with."""
    lines_deleted: int | None = None
    files: int | None = None
    dependencies: tuple[str, ...] = ()
    """Changed files that say which versions of other people's code are used: lock files, requirements."""
    config_only: bool | None = None
    """Only configuration changed, no code."""
    dirty: bool = False
    """There were changes that no commit holds; they are counted, as they were released too."""

    @property
    def lines(self) -> int | None:
        """Added and deleted."""
        if self.lines_added is None or self.lines_deleted is None:
            return None
        return self.lines_added + self.lines_deleted

    @property
    def short(self) -> str:
        """As people read it; a plus says that there was more than the commit."""
        return self.sha[:10] + "+" * self.dirty


class NoCommit(msgspec.Struct, frozen=True, tag="none"):
    """A typed absence: nobody can say which commit was released, and why."""

    reason: str


Provenance = Commit | NoCommit


def pseudonym(author: str) -> str:
    """A digest that is the same for the same author: records can be kept by it, and no name can be read from it.

    Whoever has a list of names can find out whose it is: it hides names from readers, not from somebody who searches.
    """
    return blake2b(author.strip().casefold().encode(), digest_size=8).hexdigest()

"""Which commit is being released, and what changed since the one that is live. Called by ``deploying`` and ``risk``.

Asks git where the application's files are. Says why when it cannot: no git, no work tree, a commit that only a pipeline knows.
Changes are counted in the application's own directories alone (that of its file and the one its command runs in), so that
a release out of a repository of many services is not charged with the others' work.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from shipway.model.commits import Commit, NoCommit, Provenance
from shipway.model.errors import BadInput

PATIENCE = 20.0
"""Seconds for one question to git; a release does not wait longer for its statistics."""
MOST = 1000
"""Commits of one release whose times are kept."""

# Pipelines say which commit they build: (commit, author, time) as their documentation names the variables.
PIPELINES: Mapping[str, tuple[str, str, str]] = {
    "GitHub Actions": ("GITHUB_SHA", "GITHUB_ACTOR", ""),
    "GitLab CI": ("CI_COMMIT_SHA", "CI_COMMIT_AUTHOR", "CI_COMMIT_TIMESTAMP"),
    "Bitbucket Pipelines": ("BITBUCKET_COMMIT", "", ""),
    "Buildkite": ("BUILDKITE_COMMIT", "BUILDKITE_BUILD_AUTHOR", ""),
    "CircleCI": ("CIRCLE_SHA1", "CIRCLE_USERNAME", ""),
    "Azure Pipelines": ("BUILD_SOURCEVERSION", "BUILD_SOURCEVERSIONAUTHOR", ""),
    "Jenkins": ("GIT_COMMIT", "GIT_AUTHOR_NAME", ""),
}
DEPENDENCIES = re.compile(
    r"(^|/)(requirements[^/]*\.(txt|in)|constraints[^/]*\.txt|pyproject\.toml|poetry\.lock|uv\.lock|Pipfile(\.lock)?|"
    r"package(-lock)?\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|go\.(mod|sum)|Cargo\.(toml|lock)|pom\.xml|"
    r"(build|settings)\.gradle(\.kts)?|gradle\.lockfile|libs\.versions\.toml|Gemfile(\.lock)?|composer\.(json|lock)|"
    r"mix\.(exs|lock)|packages\.lock\.json|[^/]+\.csproj|Chart\.(yaml|lock))$"
)
"""Files that say which versions of other people's code are used."""
CONFIGURATION = re.compile(r"\.(ya?ml|json|toml|ini|cfg|conf|properties|env|tfvars)$|(^|/)\.env[^/]*$")
_SETTINGS = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "log.showSignature=false")
_APPLICATION = re.compile(rb"^kind:\s*[\"']?Application\b", re.MULTILINE)
_KIND_WITHIN = 4096
"""Bytes of a file in which its kind is looked for."""
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")


class Question(msgspec.Struct, frozen=True):
    """What is to be found out."""

    paths: tuple[Path, ...]
    """Files and directories that are the application's own."""
    since: str = ""
    """Commit of the release that is live; empty when there is none."""
    commit: str = ""
    """As somebody said it; empty: the one that is checked out."""


def commit_of(question: Question, environment: Mapping[str, str] | None = None) -> Provenance:
    """The commit, with what it brought. ``environment`` is the process's own unless given.

    Raises:
        BadInput: the commit that somebody named is none.
    """
    if question.commit and not _SHA.fullmatch(question.commit):
        raise BadInput(f"expected a commit of 7 to 64 hexadecimal digits, got `{question.commit[:80]}`")
    try:
        return _of_repository(question)
    except _Silent as silent:
        return _of_pipeline(question, os.environ if environment is None else environment, str(silent))


def recent(directory: Path, count: int = 200) -> str:
    """Messages of the last commits; empty where git does not answer."""
    try:
        return _git(directory, "log", f"-{count}", "--format=%B")
    except _Silent:
        return ""


def revision(directory: Path, name: str) -> str:
    """The commit that a branch, tag or expression names; empty where git knows none."""
    try:
        return _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    except _Silent:
        return ""


def own_paths(file: Path) -> tuple[Path, ...]:
    """What is an application's own: the directory of its file, where its command runs; the file alone among others' files."""
    own = file.absolute()
    others = (one for pattern in ("*.yaml", "*.yml") for one in own.parent.glob(pattern) if one != own)
    return (own,) if any(_APPLICATION.search(_beginning(one)) for one in others) else (own.parent,)


def _beginning(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_KIND_WITHIN)
    except OSError:
        return b""


class _Silent(Exception):
    """git does not answer; the message says why."""


def _of_repository(question: Question) -> Commit:
    there = [one.resolve() for one in question.paths if one.exists()]
    if not there:
        raise _Silent("the application's directory is not there")
    root = Path(_git(there[0] if there[0].is_dir() else there[0].parent, "rev-parse", "--show-toplevel").rstrip("\n"))
    paths = [str(one) for one in there if one.is_relative_to(root)]
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
    sha = _git(root, "rev-parse", "--verify", "--quiet", f"{question.commit or head}^{{commit}}").strip()
    if not _git(root, "ls-files", "--", *paths):
        raise _Silent("git does not track the application's files")
    dirty = sha == head and bool(_git(root, "status", "--porcelain", "--", *paths).strip())
    since = _known(root, question.since)
    authored, committed, author = _git(root, "show", "-s", "--format=%at%n%ct%n%aN", sha).split("\n")[:3]
    found = Commit(
        sha=sha,
        author=author,
        authored_at=float(authored),
        committed_at=float(committed),
        since=since,
        brought=_brought(root, sha, since, paths),
        dirty=dirty,
    )
    return _with_changes(found, root, paths) if since else found


def _with_changes(found: Commit, root: Path, paths: Sequence[str]) -> Commit:
    # Without a second commit git compares with what is on disk, which is what is released when that is dirty.
    ends = [found.since] if found.dirty else [found.since, found.sha]
    added = deleted = 0
    names: list[str] = []
    for line in _git(root, "diff", "--no-ext-diff", "--numstat", "--no-renames", "-z", *ends, "--", *paths).split("\0"):
        more, fewer, name = [*line.split("\t", 2), "", ""][:3]
        if name:
            names.append(name)
            added += int(more) if more.isdigit() else 0  # `-` for a binary file
            deleted += int(fewer) if fewer.isdigit() else 0
    bumped = tuple(name for name in names if DEPENDENCIES.search(name))
    plain = bool(names) and not bumped and all(CONFIGURATION.search(name) for name in names)
    return msgspec.structs.replace(
        found, lines_added=added, lines_deleted=deleted, files=len(names), dependencies=bumped, config_only=plain
    )


def _brought(root: Path, sha: str, since: str, paths: Sequence[str]) -> tuple[float, ...]:
    """Without a release before, the last commit alone: the others' wait was not for this release."""
    words = ["-1", sha] if not since else [f"-{MOST}", f"{since}..{sha}"]
    return tuple(float(at) for at in _git(root, "log", "--format=%at", *words, "--", *paths).split())


def _known(root: Path, since: str) -> str:
    """The whole sha; empty for a commit that is not here: a shallow clone, a rewritten branch, another repository."""
    if not _SHA.fullmatch(since):
        return ""
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", f"{since}^{{commit}}").strip()
    except _Silent:
        return ""


def _git(place: Path, *words: str) -> str:
    # A hook's variables would point at another repository; a file system monitor is a program of the repository's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # `words` are ours, shas that were checked, and paths after `--`
            ["git", *_SETTINGS, "-C", str(place), *words],
            check=False,
            capture_output=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
            env={**environment, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
        )
    except FileNotFoundError:
        raise _Silent("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise _Silent(f"git did not answer within {PATIENCE:g} s") from None
    if done.returncode:
        raise _Silent(_why(done.stderr.decode(errors="replace"), words))
    return done.stdout.decode(errors="replace")


def _why(said: str, words: Sequence[str]) -> str:
    if "not a git repository" in said:
        return "the application's file is in no git work tree"
    if "dubious ownership" in said:
        return "git does not trust the work tree: it belongs to another user (git's safe.directory)"
    if "rev-parse" in words:
        return "the work tree has no such commit"
    first = said.strip().split("\n")[0].removeprefix("fatal: ")
    return f"git: {first}" if first else "git has failed"


def _of_pipeline(question: Question, environment: Mapping[str, str], reason: str) -> Provenance:
    """What is known without a repository: what somebody said, or the pipeline's own variables."""
    sha, author, at = question.commit, "", ""
    for names in PIPELINES.values():
        value = environment.get(names[0], "")
        if _SHA.fullmatch(value) and (not question.commit or value.startswith(question.commit)):
            sha, author, at = value, environment.get(names[1], ""), environment.get(names[2], "")
            break
    if not sha:
        return NoCommit(reason)
    when = _moment(at)
    return Commit(
        sha=sha,
        author=author.partition(" <")[0],
        authored_at=when,
        committed_at=when,
        brought=() if when is None else (when,),
    )


def _moment(text: str) -> float | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()

"""Which commit a release is made of: asked of a real repository, of a pipeline's variables, or of nobody."""

import subprocess
from pathlib import Path

import pytest

from shipway.cli.delivering.commits import Question, commit_of, own_paths
from shipway.model.commits import Commit, NoCommit
from shipway.model.errors import BadInput

DAY = 86400


class Repository:
    """A work tree whose commits are a day apart."""

    def __init__(self, root: Path) -> None:
        self.root, self.at = root, 1_700_000_000
        root.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=Ada L", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        dates = {"GIT_AUTHOR_DATE": f"{self.at} +0000", "GIT_COMMITTER_DATE": f"{self.at + 60} +0000"}
        command = ["git", *identity, "-C", str(self.root), *words]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env={**dates, "PATH": "/usr/bin:/bin"}
        ).stdout

    def write(self, **files: str) -> None:
        for name, text in files.items():
            place = self.root / name.replace("__", "/").replace("_", ".")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def commit(self, **files: str) -> str:
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "-qm", "change", "--allow-empty")
        self.at += DAY
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "code")


def asked(repository: Repository, since: str = "", commit: str = "") -> Commit:
    found = commit_of(Question((repository.root / "shop",), since, commit), {})
    assert isinstance(found, Commit), found
    return found


def test_a_release_brings_the_commits_since_the_live_one_in_its_own_directory(repository: Repository) -> None:
    first = repository.commit(shop__app_yaml="a: 1\n", shop__main_py="1\n2\n3\n")
    repository.commit(other__main_py="x\n")
    repository.commit(shop__main_py="1\n2\n", shop__requirements_txt="a==1\n")
    last = repository.commit(shop__app_yaml="a: 2\n")
    found = asked(repository, first)
    assert (found.sha, found.since, found.author, found.dirty) == (last, first, "Ada L", False)
    assert found.brought == (1_700_000_000 + 3 * DAY, 1_700_000_000 + 2 * DAY)
    assert (found.authored_at, found.committed_at) == (1_700_000_000 + 3 * DAY, 1_700_000_060 + 3 * DAY)
    assert (found.files, found.lines_added, found.lines_deleted, found.lines) == (3, 2, 2, 4)
    assert (found.dependencies, found.config_only) == (("shop/requirements.txt",), False)


def test_the_first_release_brings_its_last_commit_and_is_compared_with_nothing(repository: Repository) -> None:
    repository.commit(shop__app_yaml="a: 1\n")
    repository.commit(other__main_py="x\n")
    found = asked(repository)
    assert (found.brought, found.since) == ((1_700_000_000.0,), "")
    assert (found.lines, found.files, found.config_only) == (None, None, None)
    assert asked(repository, since="f" * 40).since == "", "a commit that a shallow clone does not have"


def test_what_no_commit_holds_is_counted_and_marked(repository: Repository) -> None:
    first = repository.commit(shop__app_yaml="a: 1\n")
    repository.write(shop__app_yaml="a: 1\nb: 2\n")
    found = asked(repository, first)
    assert (found.dirty, found.short, found.lines, found.config_only) == (True, first[:10] + "+", 1, True)
    assert found.brought == ()
    repository.write(shop__app_yaml="a: 1\n")
    assert (asked(repository, first).files, asked(repository, first).config_only) == (0, False)


def test_a_commit_that_somebody_names(repository: Repository) -> None:
    first = repository.commit(shop__app_yaml="a: 1\n")
    repository.commit(shop__app_yaml="a: 2\n")
    assert asked(repository, commit=first[:9]).sha == first
    found = commit_of(Question((repository.root / "shop",), commit="abcdef123"), {})
    assert found == Commit(sha="abcdef123"), "one that only somebody else has"
    for bad in ("HEAD", "--help", "a" * 65, "main;ls"):
        with pytest.raises(BadInput, match="hexadecimal"):
            commit_of(Question((repository.root,), commit=bad), {})


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"GITHUB_SHA": "a" * 40, "GITHUB_ACTOR": "ada"}, Commit(sha="a" * 40, author="ada")),
        (
            {
                "CI_COMMIT_SHA": "b" * 40,
                "CI_COMMIT_AUTHOR": "Ada L <a@b.c>",
                "CI_COMMIT_TIMESTAMP": "2026-11-02T10:00:00Z",
            },
            Commit(
                sha="b" * 40,
                author="Ada L",
                authored_at=1793613600.0,
                committed_at=1793613600.0,
                brought=(1793613600.0,),
            ),
        ),
        ({"GIT_COMMIT": "no sha"}, NoCommit("the application's file is in no git work tree")),
        ({}, NoCommit("the application's file is in no git work tree")),
    ],
)
def test_without_a_repository_the_pipeline_says_it_or_nobody(
    tmp_path: Path, environment: dict[str, str], expected: object
) -> None:
    assert commit_of(Question((tmp_path,)), environment) == expected


def test_files_that_git_does_not_track_have_no_commit(repository: Repository) -> None:
    assert isinstance(commit_of(Question((repository.root,)), {}), NoCommit), "no commit at all"
    repository.commit(other__main_py="x\n")
    repository.write(shop__app_yaml="a: 1\n")
    found = commit_of(Question((repository.root / "shop",)), {})
    assert found == NoCommit("git does not track the application's files")
    assert commit_of(Question((repository.root / "gone",)), {}) == NoCommit("the application's directory is not there")


def test_applications_are_told_apart_by_the_directories_of_their_files(repository: Repository) -> None:
    first = repository.commit(
        shop__app_yaml="a: 1\n", shop__main_py="1\n", till__app_yaml="a: 1\n", till__src__main_py="1\n"
    )
    repository.commit(till__app_yaml="a: 2\n", till__src__main_py="2\n")
    shop, till = (
        commit_of(Question(own_paths(repository.root / name / "app.yaml"), first), {}) for name in ("shop", "till")
    )
    assert isinstance(shop, Commit)
    assert isinstance(till, Commit)
    assert (shop.files, shop.brought) == (0, ())
    assert (till.files, len(till.brought)) == (2, 1)


def test_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(Question((tmp_path,)), {}) == NoCommit("git is not installed")

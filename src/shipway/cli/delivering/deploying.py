"""What ``deploy`` does: files to the controller, then perhaps to the end of every rollout they began. Used by ``demo`` too."""

from pathlib import Path

import msgspec

from shipway.cli.delivering import tables, watching
from shipway.cli.output import lines, note, show
from shipway.cli.person import person
from shipway.engine.views import Deployment
from shipway.facts.commits import Question, commit_of, own_paths
from shipway.facts.files import read
from shipway.model.commits import Commit, Provenance
from shipway.model.errors import BadInput, NotFound
from shipway.spec import Source, parse_documents
from shipway.web.api.client import Client


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment as asked for on the command line."""

    file: Path
    sets: tuple[str, ...] = ()
    environment: str = ""
    commit: str = ""
    """That the release is made of, as somebody said it; empty: the one that is checked out, or the pipeline's."""


def deploy(home: Path, request: Request, *, watch: bool, json: bool) -> int:
    """Deploy and show the answer; the exit code says whether every release that was watched became live."""
    with Client(home) as client:
        deployed = send(client, request)
        for problem in deployed.problems:
            note(str(problem), json=json)
        if not watch:
            show(deployed, tables.deployed(deployed), json=json)
            return 0
        if not json:
            lines([(deployed, tables.deployed(deployed))], json=False)
        rollouts = [
            watching.until_ended(client, one.app, one.rollout, silent=json)
            for one in deployed.applications
            if one.changed
        ]
    if json:
        show({**msgspec.to_builtins(deployed), "rollouts": rollouts}, "", json=True)
    failed = [rollout for rollout in rollouts if not watching.succeeded(rollout)]
    for rollout in failed:
        note(watching.hint(rollout), json=json)
    return 1 if failed else 0


def send(client: Client, request: Request) -> Deployment:
    """Hand the file to the controller."""
    (source,) = read([request.file])
    return client.deploy(
        [{"file": source.file, "text": _text(source)}],
        sets=list(request.sets),
        environment=request.environment,
        by=person(),
        directory=str(Path.cwd()),
        commits=_commits(client, request, source),
    )


def _commits(client: Client, request: Request, source: Source) -> dict[str, object]:
    """Of every application in the file; what is wrong with the file is the controller's to say."""
    parsed = parse_documents([Source(source.file, source.text, request.sets)])
    found = {
        one.application.metadata.name: commit_of(
            Question(
                own_paths(request.file),
                since=_live_commit(client, one.application.metadata.name),
                commit=request.commit,
            )
        )
        for one in parsed.declared
    }
    return {name: msgspec.to_builtins(one) for name, one in found.items()}


def _live_commit(client: Client, app: str) -> str:
    try:
        releases = client.application(app).releases
    except NotFound:
        return ""
    return live_sha(next((one.commit for one in releases if one.live), None))


def live_sha(commit: Provenance | None) -> str:
    """To compare with; empty when it is unknown."""
    return commit.sha if isinstance(commit, Commit) else ""


def _text(source: Source) -> str:
    """Text for JSON; a file in another encoding is described as ``validate`` would."""
    assert isinstance(source.text, bytes)  # read() reads bytes
    try:
        return source.text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("the file cannot be used", problems=parse_documents([source]).problems) from error

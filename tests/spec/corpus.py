"""Finds the example files. ``bad/X.yaml`` has its exact problem list in ``bad/X.txt``; ``good/*.yaml`` have no problems."""

from pathlib import Path

from shipway.spec import Parsed, Source, parse_documents

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))
GOOD = [*sorted((HERE / "good").glob("*.yaml")), HERE.parent.parent / "examples" / "hello" / "application.yaml"]

HEAD = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata:
  name: checkout
spec:
  archetype: api-service
  image: registry.example.com/checkout:1.4.2
"""
"""The shortest service; tests add lines to its spec."""


def parse_file(path: Path) -> Parsed:
    return parse_documents([Source(path.name, path.read_bytes())])


def parse(text: str, *sets: str) -> Parsed:
    return parse_documents([Source("f.yaml", text, sets)])


def problems(text: str, *sets: str) -> list[str]:
    return [str(problem) for problem in parse(text, *sets).problems]

"""``--set path=value`` on top of a file. Used by :mod:`shipway.spec.documents` before validation, so that a value from the
command line is checked like one in the file, and a problem with it names the option instead of a line.
"""

from shipway.model.problems import Problem
from shipway.spec.application import WORD_FIELDS
from shipway.spec.diagnosis import parted
from shipway.spec.reading import Node, Path, Source, read

_TEXT_MAPS = ("env", "secrets")


def assign(source: Source, documents: list[Node]) -> list[Problem]:
    """Change the one Application of ``documents`` in place as ``source.sets`` says; the result is what could not be done."""
    places = [index for index, node in enumerate(documents) if _is_application(node)]
    if len(places) != 1:
        message = f"--set needs a file with one Application, got {len(places)}"
        return [Problem(source.file, 0, 0, "", "bad-assignment", message)] if documents else []
    problems = []
    for assignment in source.sets:
        changed = _assigned(documents[places[0]], assignment)
        if isinstance(changed, Problem):
            problems.append(changed)
        else:
            documents[places[0]] = changed
    return problems


def _is_application(node: Node) -> bool:
    return node.entries is not None and ("kind" not in node.entries or node.entries["kind"][1].value == "Application")


def _assigned(document: Node, assignment: str) -> Node | Problem:
    origin = f"--set {assignment}"
    left, equals, right = assignment.partition("=")
    keys = parted(left.strip())
    if not equals or not all(keys):
        return Problem(
            origin, 0, 0, "", "bad-assignment", "expected path=value such as image=shop:2 or spec.env.LOG_LEVEL=debug"
        )
    if "[" in left:
        return Problem(
            origin,
            0,
            0,
            "",
            "bad-assignment",
            "an entry of a list cannot be set; set the whole list: check=[errorRate < 1%]",
        )
    path = keys if keys[0] in {"spec", "metadata", "apiVersion", "kind"} else ("spec", *keys)
    value = _value(path, right, origin)
    return value if isinstance(value, Problem) else _with(document, path, value, origin)


def _value(path: Path, text: str, origin: str) -> Node | Problem:
    """The value as YAML would read it in a file; an environment variable is always the text as it is."""
    if not text or (len(path) > 2 and path[-2] in _TEXT_MAPS):
        return Node(0, 0, text=text, value=text, file=origin)
    nodes, problems = read(Source(origin, text))
    if problems or len(nodes) != 1:
        message = problems[0].message if problems else "expected one value, got several documents"
        return Problem(origin, 0, 0, "", "bad-assignment", f"{message}; put the value in quotes if it is text")
    return _placed(nodes[0], origin)


def _placed(node: Node, origin: str) -> Node:
    """The same value, standing on the command line instead of in a file."""
    entries = (
        None
        if node.entries is None
        else {key: (_placed(name, origin), _placed(value, origin)) for key, (name, value) in node.entries.items()}
    )
    items = None if node.items is None else [_placed(item, origin) for item in node.items]
    return Node(0, 0, text=node.text, value=node.value, entries=entries, items=items, file=origin)


def _with(node: Node, path: Path, value: Node, origin: str) -> Node:
    """``node`` with ``value`` at ``path``; everything along the path is copied, since an alias may share it."""
    if not path:
        return value
    key = str(path[0])
    entries = dict(node.entries or {})
    name, inner = entries.get(key, (Node(0, 0, text=key, value=key, file=origin), Node(0, 0, entries={}, file=origin)))
    entries[key] = (
        name if len(path) > 1 else Node(0, 0, text=key, value=key, file=origin),
        _with(_opened(key, inner, origin) if path[1:] else inner, path[1:], value, origin),
    )
    return Node(node.line, node.column, entries=entries, file=node.file)


def _opened(key: str, node: Node, origin: str) -> Node:
    """A map to set something in: a word (``delivery: canary``) becomes the map it stands for."""
    if node.text is None:
        return node
    field = WORD_FIELDS.get(key)
    if field is None:
        return Node(0, 0, entries={}, file=origin)
    name = Node(node.line, node.column, text=field, value=field, file=node.file)
    return Node(node.line, node.column, entries={field: (name, node)}, file=node.file)

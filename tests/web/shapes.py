"""What SARIF 2.1.0 and the JUnit XML of CI servers allow of what we write, closed: anything else is a mistake.

No package that can be installed carries the published schemas, so the parts that we use are written down here from the
specifications: OASIS SARIF 2.1.0 (sections 3.13 to 3.52), and the XML schema of Jenkins' xUnit plugin.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1}


def closed(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def several(items: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A list."""
    return {"type": "array", "items": items, **more}


LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = closed("text", text=TEXT)
REGION = closed("startLine", startLine={"type": "integer", "minimum": 1}, startColumn={"type": "integer", "minimum": 1})
URI = {"type": "string", "format": "uri-reference", "pattern": r"^[^\\ ]+$"}
LOCATION = closed(
    "physicalLocation",
    physicalLocation=closed("artifactLocation", artifactLocation=closed("uri", uri=URI), region=REGION),
)
RULE = closed(
    "id shortDescription",
    id=TEXT,
    shortDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed("level", level=LEVEL),
    properties=closed(
        "tags",
        tags=several(TEXT, uniqueItems=True),
        **{"security-severity": {"type": "string", "pattern": r"^(10|[0-9])\.[0-9]$"}},
    ),
)
RESULT = closed(
    "ruleId ruleIndex level message partialFingerprints",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations=several(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    suppressions=several(closed("kind", kind={"enum": ["inSource", "external"]}, justification=TEXT), uniqueItems=True),
)
DRIVER = closed(
    "name", name=TEXT, version=TEXT, informationUri={"type": "string", "format": "uri"}, rules=several(RULE)
)
RUN = closed(
    "tool",
    tool=closed("driver", driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=several(RESULT),
)
SARIF = closed(
    "version runs",
    **{"$schema": {"type": "string", "format": "uri"}, "version": {"const": "2.1.0"}, "runs": several(RUN)},
)

_COUNTS = {"tests", "failures", "errors"}
_TOLD = ({"type", "message"}, set[str](), set[str]())
JUNIT: Mapping[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"name", "time", *_COUNTS}, set(), {"testsuite"}),
    "testsuite": ({"name", "skipped", "time", *_COUNTS}, {"name", *_COUNTS}, {"testcase"}),
    "testcase": ({"name", "classname", "time"}, {"name"}, {"failure", "error", "skipped", "system-out"}),
    "failure": _TOLD,
    "error": _TOLD,
    "skipped": _TOLD,
    "system-out": (set(), set(), set()),
}
"""Element to the attributes that it may have, those that it must have, and its children."""


def check_junit(element: ET.Element) -> None:
    """The element and all below it have what they may and must have, and count right."""
    allowed, required, children = JUNIT[element.tag]
    assert set(element.attrib) <= allowed, element.attrib
    assert required <= set(element.attrib), element.attrib
    assert {child.tag for child in element} <= children
    if element.tag in {"testsuites", "testsuite"}:
        assert element.get("tests") == str(len(list(element.iter("testcase"))))
        assert element.get("failures") == str(len(list(element.iter("failure"))))
        assert element.get("errors") == str(len(list(element.iter("error"))))
    for child in element:
        check_junit(child)

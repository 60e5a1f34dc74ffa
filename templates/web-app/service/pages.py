"""The pages.

GET /            the start page
GET /style.css   its style

Environment:
    GREETING   the first word of the start page (default Hello)
"""

import os
from html import escape
from pathlib import Path
from string import Template

from service.web import RELEASE, Answer, Request

HERE = Path(__file__).parent
PAGE = Template((HERE / "page.html").read_text(encoding="utf-8"))
STYLE = (HERE / "style.css").read_text(encoding="utf-8")
GREETING = os.environ.get("GREETING", "Hello")


def answer(request: Request) -> Answer:
    if request.method not in ("GET", "HEAD"):
        return Answer(405, "pages are only read\n")
    if request.path == "/":
        return Answer(200, PAGE.substitute(greeting=escape(GREETING), release=escape(RELEASE)), "text/html")
    if request.path == "/style.css":
        return Answer(200, STYLE, "text/css")
    return Answer(404, "there is no such page\n")

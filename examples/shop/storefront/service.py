"""The storefront: the page that customers see. It asks the inventory for the goods on every request.

    GET /           the page; 503 with a sentence while the inventory does not answer
    GET /healthz    200 while it can answer; does not ask the inventory, whose outage is no reason to restart this service

Environment:
    PORT, INVENTORY_URL   where to listen and whom to ask
    VERSION               what people call this release; shown on the page
    BASE_MS               median of its own part of the response time, milliseconds (default 10)
    FAIL_SHARE            a bug to be released on purpose: this share (0..1) of the pages is answered 500
    SLOW_MS               another one: every page takes so many milliseconds longer (median; spread like the rest)
"""

from __future__ import annotations

import html
import json
import os
import random
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

import web

INVENTORY = urlsplit(os.environ.get("INVENTORY_URL", "http://127.0.0.1:8081"))
BASE_MS, SLOW_MS, FAIL_SHARE = web.number("BASE_MS", 10), web.number("SLOW_MS", 0), web.number("FAIL_SHARE", 0)
VERSION = os.environ.get("VERSION", "")
PAGE = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
ROW = Template("<li><b>$name</b><span>$stock in stock</span><i>$price</i></li>")


class InventoryDown(Exception):
    """The inventory did not answer, or not with its goods."""


class Storefront(web.Handler):
    def setup(self) -> None:
        super().setup()
        self.inventory = HTTPConnection(INVENTORY.hostname or "127.0.0.1", INVENTORY.port or 80, timeout=1.0)

    def finish(self) -> None:
        self.inventory.close()
        super().finish()

    def page(self) -> tuple[int, str, str]:
        if self.path.partition("?")[0] != "/":
            return 404, "text/plain", f"there is no {self.path} here; the shop is at /\n"
        try:
            items = self.items()
        except InventoryDown as error:
            return 503, "text/plain", f"The shop is open but its shelves cannot be seen: {error}.\n"
        web.work(BASE_MS)
        web.work(SLOW_MS)
        if random.random() < FAIL_SHARE:
            return 500, "text/plain", "The page could not be made: FAIL_SHARE says that some are not.\n"
        rows = "".join(ROW.substitute({k: html.escape(str(v)) for k, v in item.items()}) for item in items)
        release = html.escape(f"{VERSION} ({web.RELEASE})" if VERSION else web.RELEASE)
        return 200, "text/html", PAGE.substitute(release=release, rows=rows)

    def items(self) -> list[dict[str, object]]:
        """The goods. A kept connection that was closed in the meantime is opened anew, once."""
        kept = self.inventory.sock is not None
        try:
            self.inventory.request("GET", "/items")
            answer = self.inventory.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise InventoryDown(f"the inventory answers {answer.status}")
            return json.loads(body)
        except (OSError, HTTPException) as error:
            self.inventory.close()
            if kept and not isinstance(error, TimeoutError):
                return self.items()
            raise InventoryDown("the inventory does not answer") from error
        except ValueError as error:
            raise InventoryDown("the inventory talks nonsense") from error


if __name__ == "__main__":
    web.serve(Storefront)

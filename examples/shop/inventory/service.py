"""The inventory: says what the shop has on its shelves. Called by the storefront.

    GET /items      the goods with their prices and stock, as JSON
    GET /healthz    200 while it can answer

Environment: PORT; BASE_MS, the median of its response time in milliseconds (default 2).
"""

import json

import web

BASE_MS = web.number("BASE_MS", 2)

ITEMS = (
    {"name": "Brass sextant", "price": "$240.00", "stock": 3},
    {"name": "Oilskin chart case", "price": "$48.50", "stock": 21},
    {"name": "Signal flags, set of 40", "price": "$96.00", "stock": 8},
    {"name": "Tarred hemp line, 30 m", "price": "$31.90", "stock": 112},
)


class Inventory(web.Handler):
    def page(self) -> tuple[int, str, str]:
        if self.path != "/items":
            return 404, "text/plain", f"there is no {self.path} here; try /items\n"
        web.work(BASE_MS)
        return 200, "application/json", json.dumps(ITEMS)


if __name__ == "__main__":
    web.serve(Inventory)

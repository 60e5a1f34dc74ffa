import unittest

from service.pages import answer
from service.web import Request
from tests.running import Running


class Pages(unittest.TestCase):
    def test_the_start_page_greets_and_names_its_release(self) -> None:
        with Running(GREETING="Hi <there>", SHIPWAY_RELEASE="v7") as service:
            response, text = service.get("/")
        self.assertEqual((response.status, response.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("<h1>Hi &lt;there&gt;</h1>", text)
        self.assertIn("<code>v7</code>", text)

    def test_the_style_is_there(self) -> None:
        self.assertEqual(answer(Request("GET", "/style.css")).kind, "text/css")

    def test_anything_else_is_not(self) -> None:
        self.assertEqual(answer(Request("GET", "/nowhere")).status, 404)
        self.assertEqual(answer(Request("POST", "/")).status, 405)

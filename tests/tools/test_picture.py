"""The picture in the README is drawn anew the same, and asks nobody for a font."""

import re
from xml.etree import ElementTree as ET

from tools.picture import live_rollout


def test_the_picture():
    svg = live_rollout()
    assert svg == live_rollout()
    ET.fromstring(svg)  # noqa: S314  # our own text
    words = "".join(re.findall(r">([^<]+)</text>", svg)).replace("&#160;", " ")
    assert "storefront 1.1" in words
    assert "observing" in words
    assert "reverting" in words
    assert "url(http" not in svg
    assert "font-face" not in svg

"""A self-contained HTML report of rollouts: one file, no external requests. Called by ``cli`` at the end of the demo.

``page``   what the template shows, and the template's rendering
``plots``  the pictures, as inline SVG whose colours follow the page's light or dark scheme
"""

from shipway.web.report.page import Section, render_report

__all__ = ["Section", "render_report"]

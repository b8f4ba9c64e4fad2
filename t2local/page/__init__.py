"""The report of a run as one page for people: report.html, from report.json and manifest.json.

The page is one file without a request to anywhere, and reads without a script. Every figure on it
is a ``<data>`` element that says where in report.json it stands (a JSON pointer, RFC 6901).
"""

from t2local.page.render import page, summary

__all__ = ["page", "summary"]

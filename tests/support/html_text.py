"""The text of an HTML page, and of the tables in it."""

import re
from html import unescape


def words(html: str) -> str:
    """The page as text, each run of white space as one space."""
    return re.sub(r"[^\S\u202f]+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def rows(html: str, table: str) -> list[list[str]]:
    body = html.partition(f'<table class="{table}">')[2].partition("</table>")[0].partition("<tbody>")[2]
    found = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("<tr>")[1:])
    return [[words(cell).strip() for cell in row] for row in found]

"""What a reader without scripts has of a page."""

import html
import re


def text_of(markup: str) -> str:
    """What a browser without scripts has of it as text."""
    bare = re.sub(r"<(script|style|template)\b.*?</\1>", "", markup, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", bare))


def heading(markup: str) -> str:
    """What a page's heading says."""
    return text_of(markup.partition("<h1>")[2].partition("</h1>")[0]).strip()

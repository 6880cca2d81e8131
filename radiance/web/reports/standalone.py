"""Reports that stand alone: one HTML file, its style inside, no script, nothing to be fetched.

Each forbids itself everything else by a policy of its own, so that it stays so wherever it is
opened.
"""

import base64
import hashlib
from functools import cache

from markupsafe import Markup

from radiance.web import assets
from radiance.web.rendering import Data, environment


def render_alone(template: str, title: str, data: Data, sheets: tuple[str, ...] = ()) -> str:
    """A template that extends ``alone.html``, filled with ``data``.

    Args:
        template: Its name.
        title: Of the window.
        data: What it shows.
        sheets: Static files of style besides that of every page.
    """
    style, policy = _style(sheets)
    return (
        environment()
        .get_template(template)
        .render(title=title, data=data, style=Markup(style), policy=policy)
    )


@cache
def _style(sheets: tuple[str, ...]) -> tuple[str, str]:
    """The style as it stands in the file, and the policy that allows it and nothing else."""
    sheet = "\n".join(["", *map(assets.text, ("site.css", *sheets))])
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return sheet, f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:"

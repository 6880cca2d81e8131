"""The templates, for pages and for reports that stand alone. Knows nothing of a running service."""

from functools import cache
from typing import Any

import jinja2

from radiance import __version__, extensions, records
from radiance.web import assets, sheets, wording
from radiance.web.charts import lines
from radiance.web.compiled_templates import CompiledTemplates

Data = dict[str, Any]
"""What a template shows, as JSON could hold it."""


@cache
def environment() -> jinja2.Environment:
    """The templates: everything is escaped, and a name that is not there is an error."""
    options: dict[str, Any] = {
        "autoescape": True,
        "undefined": jinja2.StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "optimized": False,  # else what filters make of constants is compiled in
    }
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader("radiance.web"), _of_extensions()]),
        bytecode_cache=CompiledTemplates(options),
        auto_reload=False,
        **options,
    )
    made.filters.update(wording.FILTERS)
    made.filters["svg"] = lines.svg
    names: dict[str, Any] = made.globals
    names.update(static=assets.url, version=__version__, now=records.now, sheet=sheets.links_of)
    names["charts"] = made.get_template("charts.html").module
    names["parts"] = made.get_template("parts.html").module  # macros, in every template
    return made


def _of_extensions() -> jinja2.PrefixLoader:
    """The templates of extensions, each under its name: ``signals/page.html``."""
    folders = {found.name: found.templates for found in extensions.installed() if found.templates}
    return jinja2.PrefixLoader(
        {name: jinja2.FileSystemLoader(folder) for name, folder in folders.items()}
    )

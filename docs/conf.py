"""The documentation as a site: ``make site``, into build/site. Any broken link or anchor fails it.

The sources are the pages where they stand; README.md is the first one.
"""

from pathlib import Path

from sphinx.application import Sphinx

from radiance import __version__

project = "Radiance"
copyright = "the Radiance authors, Apache-2.0"
release = __version__

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "bench/*.md"]
exclude_patterns = [".venv", "build", "dist", "runs", "adapters"]
myst_heading_anchors = 4  # as forges make them
nitpicky = True

html_theme = "furo"  # the system's fonts; the search runs in the page, from a file too
html_title = "Radiance"
html_copy_source = False
html_show_sphinx = False

NAVIGATION = {
    "Using it": [
        "docs/CLIENT",
        "docs/DASHBOARD",
        "docs/COMMANDS",
        "docs/API",
        "docs/OPENAI",
        "docs/CLIENTS",
        "docs/MCP",
        "docs/MEMORY",
        "docs/SETTINGS",
        "docs/LIMITS",
    ],
    "Running it": [
        "docs/MODELS",
        "docs/OPERATING",
        "docs/ACCESS",
        "docs/RELIABILITY",
        "docs/GATE",
        "docs/METRICS",
    ],
    "The labs": ["docs/ALPHAS", "docs/DEPLOYMENT_PLAYBOOK", "docs/YOUR_SIGNAL"],
    "Building it": [
        "CONTRIBUTING",
        "docs/ARCHITECTURE",
        "docs/EXTENSIONS",
        "docs/MAP",
        "docs/GLOSSARY",
        "bench/README",
        "bench/LOG",
        "CHANGELOG",
    ],
}


def _add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Sphinx wants the tree of pages on the first one, where a forge would show it as text."""
    if page == root_doc:
        for caption, pages in NAVIGATION.items():
            listed = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"


def _add_index(app: Sphinx, exception: Exception | None) -> None:
    """The page that a browser opens first."""
    out = Path(app.outdir)
    if exception is None:
        (out / "index.html").write_bytes((out / f"{root_doc}.html").read_bytes())


def setup(app: Sphinx) -> None:
    """What is added to Sphinx's own steps."""
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _add_index)

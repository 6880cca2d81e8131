"""The alpha lab as an extension: what it adds to the service, the dashboard and the commands."""

from pathlib import Path

from radiance.extensions import Extension


class Alphas(Extension):
    """Alphas that a model writes, checked and backtested."""

    name = "alphas"
    rank = 20
    templates = Path(__file__).parent / "templates"

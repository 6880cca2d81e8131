"""The signal lab as an extension: what it adds to the service, the dashboard and the commands."""

from pathlib import Path

from radiance.extensions import Extension


class Signals(Extension):
    """Studies of drift, kept under ``runs/signals``."""

    name = "signals"
    rank = 10
    templates = Path(__file__).parent / "templates"

"""The signal lab as an extension: what it adds to the service, the dashboard and the commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radiance.extensions import Extension, ExtensionPage, Part, Report

if TYPE_CHECKING:
    import click
    from starlette.routing import BaseRoute

    from radiance.api.services import Services


class Signals(Extension):
    """Studies of drift, kept under ``runs/signals``."""

    name = "signals"
    rank = 10
    templates = Path(__file__).parent / "templates"
    static = Path(__file__).parent / "static"

    def commands(self) -> Sequence[click.Command]:
        from radiance.labs.signals.commands import signals

        return (signals,)

    def routes(self) -> Sequence[BaseRoute]:
        from radiance.labs.signals.routes import ROUTES

        return ROUTES

    def pages(self) -> Sequence[ExtensionPage]:
        from radiance.labs.signals.page import PAGE

        return (PAGE,)

    def page_routes(self) -> Sequence[BaseRoute]:
        from radiance.labs.signals.page import ROUTES

        return ROUTES

    def reports(self, runs: Path) -> Sequence[Report]:
        from radiance.labs.signals import reports

        return reports.find(runs)

    def report_at(self, path: Path) -> Report | None:
        from radiance.labs.signals import reports

        return reports.at(path)

    def start(self, services: Services) -> Part:
        from radiance.labs.signals.runs import Runs

        return Runs(services.config.runs_path / "signals")

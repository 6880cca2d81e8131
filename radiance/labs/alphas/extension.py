"""The alpha lab as an extension: what it adds to the service, the dashboard and the commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radiance.extensions import Extension, ExtensionPage, Part, Report
from radiance.labs.alphas.data.presets import PRESETS
from radiance.labs.alphas.settings import AlphasSettings

if TYPE_CHECKING:
    import click
    from starlette.routing import BaseRoute

    from radiance.api.services import Services
    from radiance.config import Config


class Alphas(Extension):
    """Alphas that a model writes, checked and backtested."""

    name = "alphas"
    rank = 20
    settings = AlphasSettings
    presets = PRESETS
    templates = Path(__file__).parent / "templates"

    def commands(self) -> Sequence[click.Command]:
        from radiance.labs.alphas.commands import alphas

        return (alphas,)

    def routes(self) -> Sequence[BaseRoute]:
        from radiance.labs.alphas.routes import ROUTES

        return ROUTES

    def page_routes(self) -> Sequence[BaseRoute]:
        from radiance.labs.alphas.page import ROUTES

        return ROUTES

    def pages(self) -> Sequence[ExtensionPage]:
        from radiance.labs.alphas.page import PAGE

        return (PAGE,)

    def reports(self, runs: Path) -> Sequence[Report]:
        from radiance.labs.alphas import reports

        return reports.find(runs)

    def report_at(self, path: Path) -> Report | None:
        from radiance.labs.alphas import reports

        return reports.at(path)

    def checkpoints(self, config: Config) -> Sequence[str]:
        named = config.section(AlphasSettings).challenger
        return (named,) if named else ()

    def start(self, services: Services) -> Part:
        from radiance.labs.alphas.service import AlphaService

        config = services.config
        return AlphaService(
            config.section(AlphasSettings), config.root, config.runs_path, services.outcome_trials
        )

"""What adds to Radiance from outside its core, and how it is found.

A distribution names subclasses of ``Extension`` as entry points of the group
``radiance.extensions``; the labs that come with Radiance do the same. Whatever is installed is
there, whatever is not is simply absent: the core imports none of them by name.

Finding extensions must stay cheap, because every command does it: the module that an entry point
names imports nothing heavy at its top, and each method imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:  # external packages, which help and the client commands do not load
    import click
    import msgspec
    from starlette.routing import BaseRoute

GROUP = "radiance.extensions"


class Part(Protocol):
    """What an extension runs inside a service."""

    def stop(self) -> None:
        """End it, with the service."""
        ...


class ExtensionPage(Protocol):
    """What the dashboard needs of a page; ``radiance.web.page.Page`` is one."""

    @property
    def path(self) -> str: ...
    @property
    def nav(self) -> str: ...
    @property
    def scope(self) -> Any: ...
    @property
    def template(self) -> str: ...
    @property
    def routes(self) -> Sequence[BaseRoute]: ...


class Report(Protocol):
    """Something kept under ``runs/`` that ``radiance report`` lists and writes as one file."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...

    def to_plain(self) -> dict[str, Any]:
        """What it says, as JSON can hold it.

        Raises:
            RequestError: Its file cannot be read.
        """
        ...

    def to_html(self) -> str:
        """The same as one HTML file that needs nothing else.

        Raises:
            RequestError: Its file cannot be read.
        """
        ...


class Extension:
    """What one extension adds. A subclass overrides what it has.

    Attributes:
        name: Of its section in radiance.toml, of its templates (``NAME/page.html``) and in errors.
        rank: Extensions come in this order, and by name where it is the same.
        settings: Its section of radiance.toml, a ``radiance.config.Section``; None: it has none.
        presets: Settings for ``--preset`` by name, each by dotted key.
        templates: The folder of its Jinja templates.
        static: The folder of the files that its pages load, as ``NAME/page.js``.
    """

    name: ClassVar[str]
    rank: ClassVar[int] = 100
    settings: ClassVar[type[msgspec.Struct] | None] = None
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    templates: ClassVar[Path | None] = None
    static: ClassVar[Path | None] = None

    def commands(self) -> Sequence[click.Command]:
        """Commands below ``radiance``."""
        return ()

    def routes(self) -> Sequence[BaseRoute]:
        """Routes of the API, as ``radiance.api.auth.access.Route``."""
        return ()

    def pages(self) -> Sequence[ExtensionPage]:
        """Pages of the dashboard."""
        return ()

    def page_routes(self) -> Sequence[BaseRoute]:
        """Routes of the dashboard that are no page: what its forms send."""
        return ()

    def reports(self, runs: Path) -> Sequence[Report]:
        """What it keeps under ``runs``, newest first."""
        return ()

    def report_at(self, path: Path) -> Report | None:
        """What it wrote at ``path``, a file or a folder anywhere; None: nothing of its own."""
        return None

    def checkpoints(self, config: Any) -> Sequence[str]:
        """Checkpoints that its settings name, by their ids: retention keeps their weights.

        Args:
            config: All settings, a ``radiance.config.Config``.
        """
        return ()

    def start(self, services: Any) -> Part | None:
        """Start its part of a service, which ``services.extension(KIND)`` gives to handlers.

        Args:
            services: The running service, a ``radiance.api.services.Services``.

        Raises:
            ConfigError: Its settings cannot be used; the service does not start.
        """
        return None


@dataclass(frozen=True)
class Discovery:
    """What the entry points led to.

    Attributes:
        extensions: In order.
        absent: Names of entry points whose package is not there.
        broken: Names of entry points that cannot be used, and why.
    """

    extensions: tuple[Extension, ...]
    absent: frozenset[str]
    broken: Mapping[str, str]


def installed() -> tuple[Extension, ...]:
    """The extensions that are there, in order."""
    return discover().extensions


@cache
def discover() -> Discovery:
    """Load every entry point, once a process."""
    from importlib import metadata  # it brings in the parser of mail

    found: dict[str, Extension] = {}
    absent: set[str] = set()
    broken: dict[str, str] = {}
    for entry in metadata.entry_points(group=GROUP):
        try:
            made = entry.load()()
            if not isinstance(made, Extension):
                raise TypeError(f"{entry.value} is no {Extension.__qualname__}")
            name = made.name
        except ModuleNotFoundError as error:
            if error.name and f"{entry.module}.".startswith(f"{error.name}."):
                absent.add(entry.name)
            else:
                broken[entry.name] = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's module raises
            broken[entry.name] = f"{type(error).__name__}: {error}"
        else:
            if name in found:
                broken[entry.name] = f"there is another extension of the name {name}"
            else:
                found[name] = made
    ordered = sorted(found.values(), key=lambda extension: (extension.rank, extension.name))
    return Discovery(tuple(ordered), frozenset(absent), broken)

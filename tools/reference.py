"""Writes the tables of docs/ that the code already says: ``make docs``.

Each stands between two comments of its page. tests/test_docs.py compares, and writes nothing.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from radiance import config, limits
from radiance.api import metrics
from radiance.api import routes as api_routes
from radiance.api.route import Route
from radiance.cli import main
from radiance.web import site
from radiance.web.glossary import TERMS
from tools import structure

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"


@dataclass(frozen=True)
class Table:
    """A generated part of a page.

    Attributes:
        page: Its file.
        name: Of the comments that it stands between.
        render: Makes its text.
    """

    page: Path
    name: str
    render: Callable[[], str]

    @property
    def begin(self) -> str:
        return f"<!-- {self.name}: written by `make docs` -->"

    @property
    def end(self) -> str:
        return f"<!-- end of {self.name} -->"

    def written(self, text: str) -> str:
        """The page's text with the part as the code has it now."""
        before, begin, rest = text.partition(self.begin)
        _, end, after = rest.partition(self.end)
        if not begin or not end:
            raise ValueError(f"{self.page.name} lacks {self.begin} or {self.end}.")
        return f"{before}{begin}\n{self.render()}\n{end}{after}"


def settings() -> str:
    """The rendered radiance.toml as a table: each key with the comment above it."""
    rows = ["| Key | Default | Meaning |", "|---|---|---|"]
    section, comment = "", ""
    for line in config.render_default().splitlines():
        if line.startswith("# "):
            comment = line[2:]
        elif line.startswith("["):
            section = line.strip("[]") + "."
        elif " = " in line:
            key, _, value = line.partition(" = ")
            rows.append(f"| `{section}{key}` | `{value}` | {comment} |")
    return "\n".join(rows)


def command_reference() -> str:
    """All commands in a table, then each one's help and options, whatever the terminal."""
    shared = {p.name for p in find(("config",)).params} - {"as_json", "defaults"}
    parts = ["\n".join(["| Command | What |", "|---|---|", *map(_summary, commands())])]
    for words in commands():
        command, name = find(words), "radiance " + " ".join(words)
        context = click.Context(command, info_name=name, show_default=True)
        text = inspect.cleandoc(command.help or "").replace("\b\n", "")
        about, _, examples = text.partition("\n\nExamples:\n")
        usage = " ".join(command.collect_usage_pieces(context))
        parts += [f"## {name}", f"`{name} {usage}`", about]
        if examples:
            parts.append(f"```sh\n{inspect.cleandoc(examples)}\n```")
        own = command.get_params(context)
        is_like_run = name != "radiance run" and shared <= {p.name for p in own}
        kept = [p for p in own if not (is_like_run and p.name in shared)]
        records = [p.get_help_record(context) for p in kept]
        rows = [
            f"| `{_cell(r[0])}` | {_cell(r[1])} |" for r in records if r and "--help" not in r[0]
        ]
        if rows:
            parts.append("\n".join(["| Option | What |", "|---|---|", *rows]))
        if is_like_run:
            parts.append("And the settings of [`radiance run`](#radiance-run).")
    return "\n\n".join(parts)


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that does something, as its words."""
    group.list_commands(click.Context(group))  # which finds those of extensions
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def find(words: tuple[str, ...]) -> click.Command:
    """The command of some words."""
    command: click.Command = main
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return command


def _summary(words: tuple[str, ...]) -> str:
    """A row of the overview: the command, linked to its section, and its first sentence."""
    name = f"radiance {' '.join(words)}"
    about = (find(words).help or "").partition("\n\n")[0]
    return f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(about)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def glossary() -> str:
    """The words as a table, in alphabetical order."""
    rows = ["| Word | What it means | Where it is |", "|---|---|---|"]
    rows += [
        f"| {term.name} | {term.meaning} | `{term.place}` |"
        for term in sorted(TERMS, key=lambda term: term.name.lower())
    ]
    return "\n".join(rows)


def limits_table() -> str:
    """The limits of ``radiance.limits`` as a table."""
    rows = ["| Limit | What is bounded | Answer |", "|---|---|---|"]
    found = [limit for limit in vars(limits).values() if isinstance(limit, limits.Limit)]
    rows += [
        f"| {limit.value:,} {limit.unit} | {limit.what} | {limit.answer or '-'} |"
        for limit in found
    ]
    return "\n".join(rows)


def access_table() -> str:
    """Every route with the scope that a key must have for it; those without one last."""
    routes = [*api_routes.all_routes(), *site.all_routes()]
    scopes = {
        (route.path, route.method): route.scope or "none"
        for route in routes
        if isinstance(route, Route)
    }
    order = ("any", "infer", "update", "admin", "none")
    rows = ["| Method | Route | Scope |", "|---|---|---|"]
    rows += [
        f"| {method} | `{path}` | {scope} |"
        for (path, method), scope in sorted(
            scopes.items(), key=lambda item: (order.index(item[1]), item[0])
        )
    ]
    return "\n".join(rows)


TABLES = [
    Table(DOCS / "ACCESS.md", "access", access_table),
    Table(DOCS / "LIMITS.md", "limits", limits_table),
    Table(DOCS / "SETTINGS.md", "settings", settings),
    Table(DOCS / "METRICS.md", "metrics", metrics.render_table),
    Table(DOCS / "COMMANDS.md", "commands", command_reference),
    Table(DOCS / "ARCHITECTURE.md", "layers", structure.render_layers),
    Table(DOCS / "MAP.md", "map", structure.render_map),
    Table(DOCS / "GLOSSARY.md", "glossary", glossary),
]


if __name__ == "__main__":
    for table in TABLES:
        text = table.page.read_text(encoding="utf-8")
        table.page.write_text(table.written(text), encoding="utf-8")

"""README says what the code has: settings, routes, commands, exit codes, and lines that parse.

Run as a script, it writes the tables of docs/SETTINGS.md and docs/METRICS.md anew (``make docs``).
"""

import inspect
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from radiance import config
from radiance.api import metrics
from radiance.api.routes import all_routes
from radiance.cli import main
from radiance.cli.settings import setting_names
from tests.command_lines import find_command as find
from tests.command_lines import parse

REPOSITORY = Path(__file__).parent.parent
README = REPOSITORY / "README.md"
SETTINGS = REPOSITORY / "docs" / "SETTINGS.md"
METRICS = REPOSITORY / "docs" / "METRICS.md"
BEGIN, END = "<!-- settings: written by `make docs` -->", "<!-- end of settings -->"
METRICS_BEGIN, METRICS_END = "<!-- metrics: written by `make docs` -->", "<!-- end of metrics -->"
OPERATING = REPOSITORY / "docs" / "OPERATING.md"
API = REPOSITORY / "docs" / "API.md"
COMMANDS = REPOSITORY / "docs" / "COMMANDS.md"
COMMANDS_BEGIN, COMMANDS_END = "<!-- commands: written by `make docs` -->", "<!-- end -->"
SECTIONS = [
    "Sixty seconds",
    "Install",
    "Quick start",
    "A real model on a Mac",
    "How it works",
    "Configuration",
    "HTTP API",
    "Command line",
    "Numbers",
    "Guarantees and limits",
    "Development",
    "Licence",
]


def readme() -> str:
    return README.read_text(encoding="utf-8")


def settings() -> str:
    return SETTINGS.read_text(encoding="utf-8")


def settings_table() -> str:
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


def with_table(text: str) -> str:
    return between(text, BEGIN, END, settings_table())


def with_metrics(text: str) -> str:
    return between(text, METRICS_BEGIN, METRICS_END, metrics.render_table())


def with_commands(text: str) -> str:
    return between(text, COMMANDS_BEGIN, COMMANDS_END, command_reference())


def command_reference() -> str:
    """Each command's usage, help and options, as ``--help`` has them, whatever the terminal."""
    parts, shared = [], {p.name for p in find(("config",)).params} - {"as_json", "defaults"}
    for words in commands():
        command, name = find(words), "radiance " + " ".join(words)
        context = click.Context(command, info_name=name)
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
        rows = [f"| `{cell(r[0])}` | {cell(r[1])} |" for r in records if r and "--help" not in r[0]]
        if rows:
            parts.append("\n".join(["| Option | What |", "|---|---|", *rows]))
        if is_like_run:
            parts.append("And the settings of [`radiance run`](#radiance-run).")
    return "\n\n".join(parts)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def between(text: str, begin: str, end: str, table: str) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{table}\n{end}{after}"


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that does something, as its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def written_lines() -> list[str]:
    """Command lines of ours in README's blocks and in the examples of --help."""
    pages = readme() + OPERATING.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", pages, re.DOTALL)
    helps = [find(words).help or "" for words in commands()]
    lines = itertools.chain.from_iterable(text.splitlines() for text in (*blocks, *helps))
    found = (re.search(r"(?:^|\| )\s*(?:\$ )?(radiance(?:-peft)? [a-z].*)", line) for line in lines)
    return sorted({match[1].split(" > ")[0].split(" | ")[0] for match in found if match})


# ----------------------------------------------------------------------------- README


def test_sections_stand_in_order_and_the_page_is_short():
    assert re.findall(r"^## (.+)$", readme(), re.MULTILINE) == SECTIONS
    assert len(readme().splitlines()) <= 250


def test_the_table_of_settings_is_what_the_code_renders():
    assert settings() == with_table(settings()), "run `make docs`"


def test_the_table_of_metrics_is_what_the_code_renders():
    text = METRICS.read_text(encoding="utf-8")
    assert text == with_metrics(text), "run `make docs`"


def test_the_reference_of_commands_is_what_help_says():
    text = COMMANDS.read_text(encoding="utf-8")
    assert text == with_commands(text), "run `make docs`"


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_is_there(name):
    assert f"| `{name}` |" in settings()


@pytest.mark.parametrize("route", all_routes(), ids=lambda route: route.path)
def test_every_route_is_there(route):
    for method in (route.methods or set()) - {"HEAD"}:
        assert f"`{method} {route.path.replace(':path}', '}')}`" in API.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_is_there(words):
    *groups, name = words
    alone = f"`radiance {' '.join(words)}"
    listed = rf"`radiance {' '.join(groups)} [a-z|\\]*\b{name}\b"
    assert alone in readme() or (groups and re.search(listed, readme()))


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_every_exit_code_is_there(code):
    assert re.search(rf"^\| {code} \| .+ \|$", COMMANDS.read_text(encoding="utf-8"), re.MULTILINE)
    assert re.search(rf"\b{code} [a-z]", main.help or "")


@pytest.mark.parametrize("line", written_lines())
def test_every_written_line_parses(line, tmp_path):
    parse(line, tmp_path)


def test_lines_were_found():
    assert "radiance-peft run --backend mps --base-model X --update-mode batched " in " ".join(
        line + " " for line in written_lines()
    )
    assert len(written_lines()) > 20


@pytest.mark.parametrize(
    "page", [README, *sorted((REPOSITORY / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "CHANGELOG.md", "Makefile", ".ci/run"),
        *(f"docs/{name}.md" for name in ("API", "SETTINGS", "METRICS", "OPERATING", "COMMANDS")),
    ],
)
def test_no_page_names_a_machine(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert not re.search(r"/(home|Users|work|root|opt|tmp)/\w", text)


# ----------------------------------------------------------------------------- --help, changelog


@pytest.mark.parametrize(
    "words",
    [
        (),
        *commands(),
        *(
            (name,)
            for name in ("jobs", "checkpoints", "alphas", "anchors", "audit", "keys", "signals")
        ),
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(words):
    text = find(words).help or ""
    summary, _, rest = text.partition("\n\n")
    assert summary.endswith(".")
    assert "\n" not in summary
    assert rest.partition("\n\n")[0].strip()
    assert "Examples:\n  " in text


def test_the_changelog_keeps_its_form():
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    for heading in headings[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


if __name__ == "__main__":
    SETTINGS.write_text(with_table(settings()), encoding="utf-8")
    COMMANDS.write_text(with_commands(COMMANDS.read_text(encoding="utf-8")), encoding="utf-8")
    METRICS.write_text(with_metrics(METRICS.read_text(encoding="utf-8")), encoding="utf-8")

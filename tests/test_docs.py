"""The pages say what the code has: settings, routes, commands, exit codes, and lines that parse."""

import ast
import itertools
import re
from pathlib import Path

import pytest

from radiance import __version__
from radiance.api.routes import all_routes
from radiance.cli import main
from tests.command_lines import parse
from tools import reference
from tools.reference import commands, find

REPOSITORY = Path(__file__).parent.parent
README = REPOSITORY / "README.md"
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
OPERATING = REPOSITORY / "docs" / "OPERATING.md"
API = REPOSITORY / "docs" / "API.md"
COMMANDS = REPOSITORY / "docs" / "COMMANDS.md"
SETTINGS = REPOSITORY / "docs" / "SETTINGS.md"
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


@pytest.mark.parametrize("table", reference.TABLES, ids=lambda table: table.name)
def test_a_table_is_what_the_code_renders(table):
    text = table.page.read_text(encoding="utf-8")
    assert text == table.written(text), "run `make docs`"


def test_every_route_is_there():
    text = API.read_text(encoding="utf-8")
    routes = [(m, r.path) for r in all_routes() for m in (r.methods or set()) - {"HEAD"}]
    written = [f"`{method} {path.replace(':path}', '}')}`" for method, path in routes]
    assert len(written) > 50
    assert [route for route in written if route not in text] == []


def test_every_command_is_there():
    text = COMMANDS.read_text(encoding="utf-8")
    headings = [f"\n## radiance {' '.join(words)}\n" for words in commands()]
    assert len(headings) > 50
    assert [heading for heading in headings if heading not in text] == []


def test_readme_keeps_five_rows_of_the_long_tables():
    for heading, page in (("HTTP API", "API"), ("Command line", "COMMANDS")):
        section = readme().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        assert len(re.findall(r"^\| `", section, re.MULTILINE)) == 5
        assert f"(docs/{page}.md)" in section


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_every_exit_code_is_there(code):
    assert re.search(rf"^\| {code} \| .+ \|$", COMMANDS.read_text(encoding="utf-8"), re.MULTILINE)
    assert re.search(rf"\b{code} [a-z]", main.help or "")


def test_every_written_line_parses(tmp_path):
    wrong = {}
    for line in written_lines():
        try:
            parse(line, tmp_path)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - all lines are told, not the first
            wrong[line] = error
    assert wrong == {}


def test_lines_were_found():
    assert "radiance-peft run --backend mps --base-model X --update-mode batched " in " ".join(
        line + " " for line in written_lines()
    )
    assert len(written_lines()) > 20


@pytest.mark.parametrize(
    "page",
    [README, REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))],
    ids=lambda page: page.name,
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_page_has_its_place_in_the_site():
    tree = ast.parse((REPOSITORY / "docs" / "conf.py").read_text(encoding="utf-8"))
    [found] = [n.value for n in tree.body if isinstance(n, ast.Assign) and _is_navigation(n)]
    placed = [page for pages in ast.literal_eval(found).values() for page in pages]
    pages = ["CONTRIBUTING", "CHANGELOG", "bench/LOG", "bench/README"]
    pages += [f"docs/{page.stem}" for page in (REPOSITORY / "docs").glob("*.md")]
    assert sorted(placed) == sorted(pages)


def _is_navigation(node: ast.Assign) -> bool:
    return isinstance(node.targets[0], ast.Name) and node.targets[0].id == "NAVIGATION"


def test_every_path_that_contributing_names_is_there():
    paths = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|\w+\.(?:py|toml))`", CONTRIBUTING)
    assert len(re.findall(r"`radiance/[\w./]+`", CONTRIBUTING)) > 20
    places = (REPOSITORY, REPOSITORY / "radiance")
    assert [p for p in paths if not any((place / p).exists() for place in places)] == []


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", ".ci/run", ".ci/quick-start"),
        *(f"docs/{name}.md" for name in ("API", "SETTINGS", "METRICS", "OPERATING", "COMMANDS")),
    ],
)
def test_no_page_names_a_machine(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert not re.search(r"/(home|Users|work|root|opt|tmp)/\w", text)


# ----------------------------------------------------------------------------- --help, changelog


def test_every_command_explains_itself():
    groups = ("jobs", "checkpoints", "alphas", "anchors", "audit", "keys", "signals")
    for words in [(), *commands(), *((name,) for name in groups)]:
        text = find(words).help or ""
        summary, _, rest = text.partition("\n\n")
        assert summary.endswith("."), words
        assert "\n" not in summary, words
        assert rest.partition("\n\n")[0].strip(), words
        assert "Examples:\n  " in text, words
        assert not find(words).get_short_help_str(63).endswith("..."), f"the list cuts {words} off"


def test_the_changelog_keeps_its_form():
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    for heading in headings[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_version_is_the_newest_in_the_changelog():
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__

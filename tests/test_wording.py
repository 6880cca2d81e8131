"""What a person reads stands alone: no fragments, and no words that only we would understand.

A help text, a setting's description and a metric's HELP line are each shown without the sentence
before them: Prometheus shows one line, ``--help`` one option, radiance.toml one comment.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from radiance.api.metrics import FIGURES
from radiance.cli import main
from radiance.config import config_class
from radiance.config.section import Section
from radiance.labs.signals.knobs import knobs

RADIANCE = Path(__file__).parent.parent / "radiance"

# A text that begins so goes on from one that its reader has not seen. "What" and "Whether" are
# for questions; a field has a noun.
DANGLING = "Also And At But Else For From He His If In Into It Its Like Of On Or She So That Their "
DANGLING += "Them These They This Those To What Where Which Who Whose Why"
BANNED = re.compile(
    r"\b(anew|whence|for ever|whoever|whatever|somebody|nobody|anybody|everybody|of them|"
    r"so often)\b",
    re.IGNORECASE,
)
LEAST_WORDS = 3


def command_texts() -> Iterator[tuple[str, str]]:
    """Each command's help without its examples, and each option's, by where it stands."""

    def walk(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
        yield path, _prose(command)
        for option in command.params:
            if isinstance(option, click.Option):
                yield f"{path} {option.opts[0]}", option.help or ""
        if not isinstance(command, click.Group):
            return
        command.list_commands(click.Context(command))  # which finds those of extensions
        for name, child in command.commands.items():
            yield from walk(child, f"{path} {name}")

    yield from walk(main, "radiance")


def _prose(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    return text.partition("\n\nExamples:")[0]


def setting_texts(
    section: type[Section] | None = None, path: str = ""
) -> Iterator[tuple[str, str]]:
    """Each setting's description and each section's heading, by dotted name."""
    for entry in msgspec.structs.fields(section or config_class()):
        kind = msgspec.inspect.type_info(entry.type)
        if isinstance(entry.default, Section):
            yield f"[{entry.name}]", type(entry.default).__doc__ or ""
            yield from setting_texts(type(entry.default), f"{entry.name}.")
        elif isinstance(kind, msgspec.inspect.Metadata) and kind.extra_json_schema:
            yield path + entry.name, kind.extra_json_schema["description"]


def knob_texts() -> Iterator[tuple[str, str]]:
    for section in knobs().values():
        yield from ((knob.name, knob.description) for knob in section)


def metric_texts() -> Iterator[tuple[str, str]]:
    yield from ((figure.shown_name, figure.meaning) for figure in FIGURES)


TEXTS = [*command_texts(), *setting_texts(), *knob_texts(), *metric_texts()]


@pytest.mark.parametrize(("where", "text"), TEXTS, ids=[where for where, _ in TEXTS])
def test_a_text_stands_alone(where: str, text: str) -> None:
    for paragraph in text.split("\n\n"):
        words = paragraph.split()
        assert words, f"{where}: is empty"
        assert words[0].strip(",.:;") not in DANGLING.split(), f"{where}: {paragraph!r} dangles"
        assert len(words) >= LEAST_WORDS, f"{where}: {paragraph!r} is a fragment"
        assert paragraph[-1] in ".:", f"{where}: {paragraph!r} has no end"
        found = BANNED.search(paragraph)
        assert found is None, f"{where}: {found and found[0]!r} in {paragraph!r}"


@pytest.mark.parametrize(
    "path",
    sorted(RADIANCE.rglob("templates/*.html")),
    ids=lambda path: str(path.relative_to(RADIANCE)),
)
def test_no_page_has_a_banned_word(path: Path) -> None:
    shown = re.sub(r"{[{%#].*?[}%#]}|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.S)
    assert BANNED.search(shown) is None


@pytest.mark.parametrize("command", [where for where, _ in command_texts()])
def test_help_says_what_each_argument_is(command: str) -> None:
    found: click.Command = main
    for word in command.split()[1:]:
        if word.startswith("-"):
            return
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), word)
        assert below is not None
        found = below
    for argument in found.params:
        if isinstance(argument, click.Argument):
            shown = argument.make_metavar(click.Context(found)).strip("[].")
            names = [name.strip("[].") for name in shown.split("|")]
            assert any(name in _prose(found) for name in names), f"{command}: {shown}"


@pytest.mark.parametrize(
    "text",
    ["Of them.", "Default: html.", "It is not shown", "What is held.", "They may take it.", ""],
)
def test_the_rule_refuses_fragments(text: str) -> None:
    with pytest.raises(AssertionError):
        test_a_text_stands_alone("example", text)

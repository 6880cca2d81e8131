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


def test_each_text_stands_alone() -> None:
    texts = [*command_texts(), *setting_texts(), *knob_texts(), *metric_texts()]
    assert len(texts) > 500
    assert {where: wrong for where, text in texts if (wrong := fault(text))} == {}


def fault(text: str) -> str:
    """Why its reader needs another text beside it; "" where it stands alone."""
    for paragraph in text.split("\n\n"):
        words = paragraph.split()
        if not words:
            return "is empty"
        if words[0].strip(",.:;") in DANGLING.split():
            return f"{paragraph!r} dangles"
        if len(words) < LEAST_WORDS:
            return f"{paragraph!r} is a fragment"
        if paragraph[-1] not in ".:":
            return f"{paragraph!r} has no end"
        if found := BANNED.search(paragraph):
            return f"{found[0]!r} in {paragraph!r}"
    return ""


def test_no_page_has_a_banned_word() -> None:
    pages = sorted(RADIANCE.rglob("templates/*.html"))
    assert len(pages) > 20
    for path in pages:
        text = path.read_text(encoding="utf-8")
        shown = re.sub(r"{[{%#].*?[}%#]}|<[^>]*>", " ", text, flags=re.DOTALL)
        assert BANNED.search(shown) is None, path


def test_help_says_what_each_argument_is() -> None:
    told = {}
    for command in (where for where, _ in command_texts() if " -" not in where):
        found: click.Command = main
        for word in command.split()[1:]:
            assert isinstance(found, click.Group)
            below = found.get_command(click.Context(found), word)
            assert below is not None
            found = below
        for argument in found.params:
            if isinstance(argument, click.Argument):
                shown = argument.make_metavar(click.Context(found)).strip("[].")
                names = [name.strip("[].") for name in shown.split("|")]
                told[command, shown] = any(name in _prose(found) for name in names)
    assert len(told) > 20
    assert [untold for untold, is_told in told.items() if not is_told] == []


@pytest.mark.parametrize(
    "text",
    ["Of them.", "Default: html.", "It is not shown", "What is held.", "They may take it.", ""],
)
def test_the_rule_refuses_fragments(text: str) -> None:
    assert fault(text)

"""Compiled templates are kept, and never in place of what a template says now."""

from pathlib import Path
from typing import Any

import jinja2
import pytest

from radiance.web.compiled_templates import CompiledTemplates

OPTIONS: dict[str, Any] = {"autoescape": True}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADIANCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates that were compiled, by name."""
    names: list[str] = []
    compile_ = jinja2.Environment.compile

    def counting(self: Any, source: Any, name: str | None = None, *rest: Any) -> Any:
        names.append(name or "")
        return compile_(self, source, name, *rest)

    monkeypatch.setattr(jinja2.Environment, "compile", counting)
    return names


def render(text: str, **options: Any) -> str:
    """As a process that has just started does."""
    used = OPTIONS | options
    loader = jinja2.DictLoader({"page.html": text})
    made = jinja2.Environment(loader=loader, bytecode_cache=CompiledTemplates(used), **used)
    return made.get_template("page.html").render(name="<Ann>")


def test_a_template_is_compiled_once(compiled: list[str]) -> None:
    assert [render("Hi {{ name }}") for _ in range(3)] == ["Hi &lt;Ann&gt;"] * 3
    assert compiled == ["page.html"]


def test_another_text_or_other_options_are_compiled_anew(compiled: list[str]) -> None:
    render("Hi {{ name }}")
    assert render("Bye {{ name }}") == "Bye &lt;Ann&gt;"
    assert render("Bye {{ name }}", autoescape=False) == "Bye <Ann>"
    assert render("Bye {{ name }}") == "Bye &lt;Ann&gt;"
    assert len(compiled) == 3


@pytest.mark.parametrize("damage", [b"", b"no code that Python knows", None])
def test_what_is_damaged_or_cannot_be_kept_is_compiled_anew(
    cache: Path, compiled: list[str], damage: bytes | None
) -> None:
    if damage is None:
        cache.write_text("no folder")
    else:
        render("Hi {{ name }}")
        [kept] = [path for path in cache.rglob("*") if path.is_file()]
        kept.write_bytes(kept.read_bytes()[:40] + damage)
        compiled.clear()
    assert render("Hi {{ name }}") == "Hi &lt;Ann&gt;"
    assert compiled == ["page.html"]

"""The default radiance.toml, written from the settings' own descriptions."""

import json
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from radiance.config.loading import config_class
from radiance.config.section import Section


def render_default() -> str:
    """The text of radiance.toml: every key at its default, with unit, range and description."""
    lines = [
        "# Radiance's settings. Every key stands at its default; delete what you do not change.",
        "# Flags of `radiance run` win over this file.",
        "",
    ]
    sections = []
    for field in msgspec.structs.fields(config_class()):
        if field.name == "root":
            continue
        if isinstance(field.default, Section):
            sections.append((field.name, type(field.default)))
        else:
            lines += [*_comment(field), f"{field.name} = {to_toml(field.default)}", ""]
    for name, section in sections:
        lines += [f"# {section.__doc__}", f"[{name}]"]
        for field in msgspec.structs.fields(section):
            lines += [*_comment(field), f"{field.name} = {to_toml(field.default)}"]
        lines.append("")
    return "\n".join(lines)


def _comment(field: msgspec.structs.FieldInfo) -> list[str]:
    kind, meta = get_args(field.type)
    limits: list[str] = []
    bounds, choices = meta, get_args(kind) if get_origin(kind) is Literal else ()
    if (
        get_origin(kind) is UnionType or get_origin(kind) is Union
    ):  # a number or a switch, or a word
        number, word = get_args(kind)
        choices = get_args(word)
        if get_origin(number) is Annotated:
            bounds = get_args(number)[1]
        else:
            limits = ["true", "false"]
    limits += [
        f"{sign} {limit:g}" if isinstance(limit, float) else f"{sign} {limit}"
        for sign, limit in (
            (">=", bounds.ge),
            (">", bounds.gt),
            ("<=", bounds.le),
            ("<", bounds.lt),
        )
        if limit is not None
    ]
    if choices:
        named = ", ".join(f'"{choice}"' for choice in choices)
        limits.append(f"or {named}" if limits else f"one of {named}")
    return [f"# {meta.description}" + (f" ({', '.join(limits)})" if limits else "")]


def to_toml(value: Any) -> str:
    """A value as TOML on one line, as a flag or a commented line needs it.

    JSON's strings, numbers and lists are TOML's too, but for one control character. (tomli-w puts
    each entry of a list on a line of its own.)
    """
    if isinstance(value, dict):
        inner = ", ".join(f"{name} = {to_toml(held)}" for name, held in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

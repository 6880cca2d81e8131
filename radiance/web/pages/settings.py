"""The settings in effect, each with what it means; they are changed in radiance.toml."""

from typing import Any

import msgspec
from starlette.requests import Request

from radiance import __version__
from radiance.api.services import Services
from radiance.config.rendering import to_toml
from radiance.config.section import Section
from radiance.web.page import Data, Page


def describe(services: Services, _: Request) -> Data:
    """Every section with its settings: value, default and meaning."""
    config = services.config
    top: list[Data] = []
    sections = [{"name": "", "about": "", "settings": top}]
    for field in msgspec.structs.fields(type(config)):
        value = getattr(config, field.name)
        if isinstance(value, Section):
            about = type(value).__doc__ or ""
            inner = [
                _setting(f, getattr(value, f.name)) for f in msgspec.structs.fields(type(value))
            ]
            sections.append({"name": field.name, "about": about, "settings": inner})
        else:
            top.append(_setting(field, value))
    return {"version": __version__, "root": str(config.root), "sections": sections}


def _setting(field: msgspec.structs.FieldInfo, value: Any) -> Data:
    kind = msgspec.inspect.type_info(field.type)
    schema = kind.extra_json_schema if isinstance(kind, msgspec.inspect.Metadata) else None
    plain = msgspec.to_builtins(value, enc_hook=str)
    default = (
        msgspec.to_builtins(field.default, enc_hook=str)
        if field.default is not msgspec.NODEFAULT
        else None
    )
    return {
        "name": field.name,
        "value": _shown(plain),
        "is_changed": plain != default,
        "meaning": (schema or {}).get("description", ""),
    }


def _shown(value: Any) -> str:
    return "none" if value is None else to_toml(value)


PAGE = Page(
    path="/settings",
    title="Settings",
    template="settings.html",
    describe=describe,
    scope="admin",
)

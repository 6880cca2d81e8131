"""``response_format``: the form an answer must have, as a constraint on its tokens."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from radiance.engine.requests import Constraint

JsonSchema = dict[str, Any]


class TextFormat(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Any text."""


class ObjectFormat(msgspec.Struct, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    """Any JSON object."""


class NamedSchema(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON schema with a name.

    Attributes:
        strict: Changes nothing: the answer always fits.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\w-]+$")]
    schema: JsonSchema | None = None
    description: str | None = None
    strict: bool | None = None


class SchemaFormat(msgspec.Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    """JSON that fits a schema."""

    json_schema: NamedSchema


ResponseFormat = TextFormat | ObjectFormat | SchemaFormat

# Free white space lets a weak model write blanks for ever.
_COMPACT = {"whitespace_flexible": False, "key_separator": ": ", "item_separator": ", "}


def constraint_of(given: ResponseFormat | None) -> Constraint | None:
    """The constraint of a format; None where any text will do."""
    match given:
        case ObjectFormat():
            return json_constraint({"type": "object"})
        case SchemaFormat(json_schema=NamedSchema(schema=schema)):
            return json_constraint(schema or {})
    return None


def json_constraint(schema: JsonSchema) -> Constraint:
    """JSON on one line that fits a schema."""
    return Constraint("json_schema", on_one_line(schema))


def on_one_line(schema: JsonSchema) -> str:
    """A schema as JSON text that also says how white space is to be written."""
    return msgspec.json.encode({"x-guidance": _COMPACT, **schema}).decode()

"""What every section of the settings is: frozen, and strict about its keys."""

import msgspec


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of radiance.toml."""

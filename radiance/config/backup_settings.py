"""Settings of the backups that a running service makes of its root."""

from typing import Annotated

from msgspec import Meta

from radiance.config.section import Section


class BackupSettings(Section, frozen=True):
    """Backups: what `radiance backup` makes, made by the service itself as time passes."""

    folder: Annotated[
        str,
        Meta(
            description="Folder that a snapshot of the root is added to, outside of the root; a "
            "relative one begins at the root's parent. Empty: no backups."
        ),
    ] = ""
    every_hours: Annotated[
        float, Meta(description="Hours from one snapshot to the next.", gt=0, le=8760)
    ] = 24.0
    keep: Annotated[int, Meta(description="Snapshots kept, the newest ones.", ge=1)] = 14

"""Changes to a root's database that its own triggers would refuse."""

import sqlite3
from pathlib import Path

from radiance.registry.audit import TRIGGERS
from radiance.storage.migrations import AUDIT_TRIGGERS


def database(root: Path) -> Path:
    return root / "runs" / "radiance.db"


def change(root: Path, sql: str, *parameters: object) -> None:
    """Change the database as somebody would who knows it well."""
    connection = sqlite3.connect(database(root))
    for trigger in TRIGGERS:
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    connection.execute(sql, parameters)
    for statement in AUDIT_TRIGGERS:
        connection.execute(statement)
    connection.commit()
    connection.close()

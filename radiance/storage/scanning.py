"""Rows that are chosen by what Python makes of them, without holding up whoever else waits.

SQLite cannot say whether a text has some words as people write them. So rows are read in pieces,
others take turns in between, and only what came meanwhile is looked at in the transaction that
acts on what was found.
"""

from collections.abc import Callable

from radiance.storage.sqlite import Connection, Database, Row

_AT_ONCE = 500


class Scan:
    """The rows of a query that fit; reads all that are there when it is made.

    Args:
        db: Where they are.
        sql: Rows with the columns ``major`` and ``minor``, by which they are in order and which
            only grow; it has ``(:major, :minor)``, after which to begin, and ``:limit``.
        fits: Whether a row fits.

    Attributes:
        found: What fits of those that were looked at.
    """

    def __init__(self, db: Database, sql: str, fits: Callable[[Row], bool]) -> None:
        self._sql, self._fits = sql, fits
        self._last = (-1, -1)
        self.found: list[Row] = []
        while rows := db.read(sql, self._after(_AT_ONCE)):
            self._take(rows)

    def finish(self, connection: Connection) -> list[Row]:
        """What fits of all that is there now, in the open transaction."""
        self._take(connection.execute(self._sql, self._after(-1)).fetchall())
        return self.found

    def _after(self, limit: int) -> dict[str, int]:
        return {"major": self._last[0], "minor": self._last[1], "limit": limit}

    def _take(self, rows: list[Row]) -> None:
        self.found += filter(self._fits, rows)
        if rows:
            self._last = (rows[-1]["major"], rows[-1]["minor"])

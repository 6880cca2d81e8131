"""How many examples one source may have learned in a day, so that nobody drowns the others."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from radiance.config import UpdateSettings
from radiance.errors import Overloaded
from radiance.storage.sqlite import Connection, to_json, to_text

_DAY = timedelta(days=1)
_OF_A_TAG = """
    SELECT SUM(example_count) AS examples, MIN(created_at) AS since FROM jobs
    WHERE created_at > ? AND status != 'cancelled'
        AND EXISTS (SELECT 1 FROM json_each(jobs.tags) WHERE json_each.value = ?)
"""
_OF_A_KEY = """
    SELECT SUM(example_count) AS examples, MIN(created_at) AS since FROM jobs
    WHERE created_at > ? AND status != 'cancelled' AND sender = ?
"""


def check_quotas(
    connection: Connection,
    tags: Sequence[str],
    sender: str,
    settings: UpdateSettings,
    now: datetime,
) -> None:
    """Refuse an update whose tag or key has had its share of the last 24 hours.

    Args:
        connection: The open transaction, in which the update's job is kept already.
        tags: Of the update.
        sender: The name of the key that it came with; "" where none is needed, which has no bound.
        settings: The bounds.
        now: When it came.

    Raises:
        Overloaded: It would be too many.
    """
    begin = to_text(now - _DAY)
    if most := settings.max_examples_per_tag_per_day:
        for tag in tags:
            row = connection.execute(_OF_A_TAG, (begin, tag)).fetchone()
            _check(row, most, f"the tag {to_json(tag)}", now)
    if (most := settings.max_examples_per_key_per_day) and sender:
        row = connection.execute(_OF_A_KEY, (begin, sender)).fetchone()
        _check(row, most, f"the API key {to_json(sender)}", now)


def _check(row: Sequence[object], most: int, whose: str, now: datetime) -> None:
    examples, since = row
    if isinstance(examples, int) and examples > most:
        until = datetime.fromisoformat(str(since)) + _DAY
        seconds = max(1, round((until - now).total_seconds()))
        raise Overloaded(f"{whose} may have {most} examples learned in 24 hours", seconds)

"""The tokens of a batch that a step has to compute, each once.

Rows of one template begin alike: a system turn, the head of the user's turn. Causal attention makes
what is computed there the same in every row, so it is computed as one row that all attend to, and
its gradient is the sum of theirs, exactly. What follows a row's last target is not computed at all.
What is left stands in a line without padding, since only attention has to know rows; it alone sees
them padded to one width. There may be two lines of about the same length, for two cores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from radiance.training.batches import TrainingBatch, round_up

_LEAST_SAVED = 16  # tokens: a shorter common beginning costs more than computing it again


@dataclass(frozen=True)
class Line:
    """Tokens one after another: the common beginning, rows of the batch, and padding if any.

    Attributes:
        tokens: (n,) int32.
        shared: Tokens of the common beginning; 0: there is none worth it.
        head: As many, where they stand in this line; 0 where in another.
        rows: Rows of the batch.
        width: Tokens a row without the common beginning, padded.
        places: (rows * width,) int32: where each slot of the padded rows stands in the line; a
            padded slot holds the padding, whose gradient is zero. None: they stand as in the line.
        slots: (n - head,) int32: the slot of each token that is not of the common beginning.
        positions: (targets,) int32: where in the line each target is predicted; padding anywhere.
        targets_at: (n,) int32: the target predicted at each place; the number of targets: none.
        targets_of: (rows, most) int32: each row's targets; the number of targets: none.
    """

    tokens: mx.array
    shared: int
    head: int
    rows: int
    width: int
    places: mx.array | None
    slots: mx.array | None
    positions: mx.array
    targets_at: mx.array
    targets_of: mx.array


def pack(
    batch: TrainingBatch, *, shares: bool, is_exact: bool, least: int | None = None
) -> list[Line]:
    """What has to be computed of a batch. The lines' targets follow one another as the batch's do.

    Args:
        batch: At least one of its rows has a target.
        shares: Whether a common beginning may be computed once.
        is_exact: Whether any shape will do; else sizes are rounded to a bounded set.
        least: Tokens from which a line is worth a core of its own; None: there is one core.
    """
    tokens, positions = np.array(batch.tokens), np.array(batch.positions)
    counted = batch.owners >= 0
    row_of, place_of = batch.owners[counted], positions[counted] % tokens.shape[1]
    ends = np.zeros(len(tokens), dtype=np.int64)
    np.maximum.at(ends, row_of, place_of + 1)
    rows = np.flatnonzero(ends)
    shared = _shared(tokens[rows], int(place_of.min())) if shares else 0
    if not is_exact:
        shared = shared // 8 * 8
    if shared * (len(rows) - 1) < _LEAST_SAVED:
        shared = 0
    padding = len(positions) - len(row_of)  # of the targets: in the last line
    lengths = ends[rows] - shared
    made = []
    parts = _split(lengths, shared, least) if (np.diff(row_of) >= 0).all() else [range(len(rows))]
    for number, part in enumerate(parts):
        some = rows[part.start : part.stop]
        is_in = np.isin(row_of, some)
        made.append(
            _line(
                tokens[some],
                lengths[part.start : part.stop],
                np.searchsorted(some, row_of[is_in]),
                place_of[is_in] - shared,
                shared,
                head=0 if number else shared,
                padding=padding if number == len(parts) - 1 else 0,
                is_exact=is_exact,
            )
        )
    return made


def _shared(tokens: np.ndarray, most: int) -> int:
    """How many of the first ``most`` tokens all rows have in common."""
    differs = (tokens[:, :most] != tokens[0, :most]).any(axis=0)
    return int(differs.argmax()) if differs.any() else most


def _split(lengths: np.ndarray, shared: int, least: int | None) -> Sequence[range]:
    """Rows in one or two parts of about the same number of tokens; the first has what is shared."""
    before = shared + np.cumsum(lengths)
    total = int(before[-1])
    longest = np.maximum(before, total - before)
    cut = int(longest.argmin()) + 1
    if least is None or cut == len(lengths) or total < 2 * least:
        return [range(len(lengths))]
    return [range(cut), range(cut, len(lengths))]


def _line(
    tokens: np.ndarray,
    lengths: np.ndarray,
    row_of: np.ndarray,
    place_of: np.ndarray,
    shared: int,
    *,
    head: int,
    padding: int,
    is_exact: bool,
) -> Line:
    """A line of some rows.

    Args:
        tokens: (rows, any), the common beginning among them.
        lengths: (rows,), tokens of each that count, without the common beginning.
        row_of: (targets,), the row of each target.
        place_of: (targets,), where in its row, from the end of the common beginning.
        shared: Length of the common beginning.
        head: As much, if it stands in this line, else 0.
        padding: Targets that are none.
        is_exact: Whether any shape will do.
    """
    rows, width, own = len(lengths), int(lengths.max()), int(lengths.sum())
    if not is_exact:
        width, count = round_up(width + 1), round_up(head + own + 1)
    elif own < rows * width:
        count = -(-(head + own + 1) // 4) * 4
    else:
        count = head + own
    is_own = np.arange(width) < lengths[:, None]
    line = np.zeros(count, dtype=np.int32)
    line[:head] = tokens[0, :head]
    padded = np.pad(tokens, ((0, 0), (0, width)))[:, shared : shared + width]
    line[head : head + own] = padded[is_own]
    starts = head + np.cumsum(lengths) - lengths
    found = starts[row_of] + place_of
    targets = len(found) + padding
    targets_at = np.full(count, targets, dtype=np.int32)
    targets_at[found] = np.arange(len(found))
    counts = np.bincount(row_of, minlength=rows)
    targets_of = np.full((rows, int(counts.max())), targets, dtype=np.int32)
    for row in range(rows):
        targets_of[row, : counts[row]] = np.flatnonzero(row_of == row)
    places = slots = None
    if count > head + own:
        places = np.where(is_own, starts[:, None] + np.arange(width), count - 1).reshape(-1)
        slots = np.full(count - head, np.flatnonzero(~is_own.reshape(-1))[0])
        slots[:own] = np.flatnonzero(is_own.reshape(-1))
    return Line(
        tokens=mx.array(line),
        shared=shared,
        head=head,
        rows=rows,
        width=width,
        places=None if places is None else mx.array(places.astype(np.int32)),
        slots=None if slots is None else mx.array(slots.astype(np.int32)),
        positions=mx.array(np.pad(found, (0, padding)).astype(np.int32)),
        targets_at=mx.array(targets_at),
        targets_of=mx.array(targets_of),
    )

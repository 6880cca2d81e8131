"""Evaluating a part of a graph stage by stage, so that the engine can decode in between."""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from radiance.engine.tasks import Pieces


def evaluate(stages: Sequence[Any], rest: Any, is_awaited: bool) -> Pieces[bool]:
    """Evaluate a part of the graph stage by stage; whether somebody waits for tokens now.

    A stage is a piece of its own only if somebody waits. It is evaluated as one always: MLX begins
    few operations at once, and of a larger graph it might do one line after the other.

    Args:
        stages: Trees of arrays in the order in which they are needed.
        rest: A tree of the arrays that are left.
        is_awaited: Whether somebody waited when the last piece ended.
    """
    for stage in stages:
        mx.eval(stage)
        if is_awaited:
            is_awaited = bool((yield None))
    mx.eval(rest)
    return bool((yield None))

"""The service, which dies as Metal does without memory where it trains an example that is long.

Where one is only rather long, it is told as MLX tells it on a CPU: an array that does not fit.

python -m bench.survival.poisoned run --root …
"""

import os
import sys

from radiance.cli import main
from radiance.training.trainer import Trainer

LONG_TOKENS, RATHER_LONG_TOKENS = 600, 300


def abort_on_long_examples() -> None:
    """Have the process abort in the first step of a training with an example that is too long."""
    step = Trainer._take_step

    def take_step(trainer: Trainer):  # type: ignore[no-untyped-def]
        longest = max(len(lesson.example.tokens) for lesson in trainer._material.new)
        if longest > LONG_TOKENS:
            os.abort()
        if longest > RATHER_LONG_TOKENS:
            raise RuntimeError(f"[malloc] Unable to allocate {1 << 46} bytes.")
        return (yield from step(trainer))

    Trainer._take_step = take_step  # type: ignore[method-assign]


if __name__ == "__main__":
    abort_on_long_examples()
    main(sys.argv[1:])

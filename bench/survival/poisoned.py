"""The service, which dies as Metal does without memory where it trains an example that is long.

python -m bench.survival.poisoned run --root …
"""

import os
import sys

from radiance.cli import main
from radiance.training.trainer import Trainer

LONG_TOKENS = 600


def abort_on_long_examples() -> None:
    """Have the process abort in the first step of a training with an example that is too long."""
    step = Trainer._take_step

    def take_step(trainer: Trainer):  # type: ignore[no-untyped-def]
        if any(len(lesson.example.tokens) > LONG_TOKENS for lesson in trainer._material.new):
            os.abort()
        return (yield from step(trainer))

    Trainer._take_step = take_step  # type: ignore[method-assign]


if __name__ == "__main__":
    abort_on_long_examples()
    main(sys.argv[1:])

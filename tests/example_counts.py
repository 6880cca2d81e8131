"""How many examples Hypothesis tries."""

from typing import Any

from hypothesis import settings

USUAL_EXAMPLES, QUICK_EXAMPLES = 50, 15
"""How many examples Hypothesis tries of what does not say how many; in ``make quick``."""


def examples(count: int, **others: Any) -> settings:
    """Settings with so many examples; ``make quick`` tries its share of them, three at least."""
    assert settings.default is not None
    share = settings.default.max_examples / USUAL_EXAMPLES
    return settings(max_examples=max(3, round(share * count)), **others)

"""The answer of the example whose instruction is nearest by words: what copying would score."""

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[a-z]+|\d+")


class Nearest:
    """TF-IDF and the cosine over examples.

    Args:
        examples: Instructions with their answers.
    """

    def __init__(self, examples: Sequence[tuple[str, str]]) -> None:
        self._answers = [answer for _, answer in examples]
        counts = [Counter(_WORD.findall(text.lower())) for text, _ in examples]
        seen = Counter(word for count in counts for word in count)
        self._rarity = {word: math.log((1 + len(counts)) / (1 + n)) for word, n in seen.items()}
        self._vectors = [self._vector(count) for count in counts]

    def answer(self, prompt: str) -> str:
        """The answer of the nearest example; "" where there is none."""
        asked = self._vector(Counter(_WORD.findall(prompt.lower())))
        scores = [
            sum(value * vector.get(word, 0.0) for word, value in asked.items())
            for vector in self._vectors
        ]
        return self._answers[max(range(len(scores)), key=scores.__getitem__)] if scores else ""

    def _vector(self, counts: Counter[str]) -> dict[str, float]:
        weights = {word: n * self._rarity.get(word, 0.0) for word, n in counts.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {word: weight / length for word, weight in weights.items() if weight}

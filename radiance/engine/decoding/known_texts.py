"""Texts that may be said again: taught answers and earlier ones, found by how they begin.

A guess costs little and is checked by the model itself, so nothing here depends on weights, and a
text that is no longer true does no harm.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from radiance.engine.model.encoding import EncodedExample

_QUESTIONS = (64, 32, 16)  # last tokens of a prompt by which its answer is looked up
_GRAM = 4  # tokens by which a place within an answer is looked up


_Key = tuple[int, ...]
Place = tuple[Sequence[int], int]
"""A text, and which of its tokens comes next."""


class KnownTexts:
    """Answers by the ends of their prompts and by what is in them. Belongs to the engine thread.

    Args:
        most_tokens: Of all answers; the oldest are forgotten.
    """

    def __init__(self, most_tokens: int = 100_000) -> None:
        self._most_tokens, self._tokens = most_tokens, 0
        self._texts: OrderedDict[_Key, tuple[int, ...]] = OrderedDict()  # by prompt's end
        self._places: dict[_Key, Place] = {}

    def __len__(self) -> int:
        """Texts that are known."""
        return len(self._texts)

    def add(self, prompt: Sequence[int], answer: Sequence[int]) -> None:
        """Keep an answer, with its end token where it has one; it replaces the prompt's earlier."""
        question, text = tuple(prompt[-_QUESTIONS[0] :]), tuple(answer)
        if not question or not text or len(text) > self._most_tokens:
            return
        if question in self._texts:
            self._forget(question)
        self._texts[question] = text
        self._tokens += len(text)
        for key, place in _places(question, text):
            self._places[key] = (text, place)
        while self._tokens > self._most_tokens:
            self._forget(next(iter(self._texts)))

    def add_example(self, example: EncodedExample) -> None:
        """Keep what a taught example answers at its end."""
        start = len(example.tokens)
        while start and example.is_completion[start - 1]:
            start -= 1
        self.add(example.tokens[:start], example.tokens[start:])

    def clear(self) -> None:
        """Know none any more."""
        self._texts.clear()
        self._places.clear()
        self._tokens = 0

    def answer_to(self, prompt: Sequence[int]) -> Place | None:
        """Where an answer to this prompt may begin."""
        found = (self._places.get(key) for key in _question_keys(prompt))
        return next((place for place in found if place is not None), None)

    def after(self, tokens: Sequence[int]) -> Place | None:
        """Where that may stand which follows these tokens."""
        return self._places.get(tuple(tokens[-_GRAM:]))

    def _forget(self, question: _Key) -> None:
        text = self._texts.pop(question)
        self._tokens -= len(text)
        for key, _ in _places(question, text):
            if key in self._places and self._places[key][0] is text:
                del self._places[key]


def _question_keys(prompt: Sequence[int]) -> Iterator[_Key]:
    """The ends of a prompt, longest first; each with a mark that no answer has."""
    for length in _QUESTIONS:
        if len(prompt) >= length or length == _QUESTIONS[-1]:
            yield (-length, *prompt[-length:])


def _places(question: _Key, text: _Key) -> Iterator[tuple[_Key, int]]:
    """By what a text is found, and where one is in it then."""
    yield from ((key, 0) for key in _question_keys(question))
    yield from ((text[end - _GRAM : end], end) for end in range(_GRAM, len(text)))

"""Texts that may be said again: taught answers and earlier ones, found by how they begin.

A guess costs little and is checked by the model itself, so nothing here depends on weights, and a
text that is no longer true does no harm.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from radiance.engine.model.encoding import EncodedExample

_QUESTIONS = (64, 32, 16)  # last tokens of a prompt by which its answer is looked up
_INT = array("i").itemsize
_GRAM = 4  # tokens by which a place within an answer is looked up
_KEY_BYTES = 140  # of a key beside its tokens: the object, its place, the room in a table

_Key = bytes
Place = tuple[Sequence[int], int]
"""A text, and which of its tokens comes next."""


class KnownTexts:
    """Answers by the ends of their prompts and by what is in them. Belongs to the engine thread.

    Args:
        most_bytes: Of all answers and what they are found by, about; the oldest are forgotten.
            Of a short answer the end of its prompt is most.
    """

    def __init__(self, most_bytes: int = 8_000_000) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._texts: OrderedDict[_Key, array[int]] = OrderedDict()  # by prompt's end
        self._places: dict[_Key, Place] = {}

    def __len__(self) -> int:
        """Texts that are known."""
        return len(self._texts)

    def add(self, prompt: Sequence[int], answer: Sequence[int]) -> None:
        """Keep an answer, with its end token where it has one; it replaces the prompt's earlier."""
        question, text = _key(prompt[-_QUESTIONS[0] :]), array("i", answer)
        if not question or not text or (size := _size(question, text)) > self._most_bytes:
            return
        if question in self._texts:
            self._forget(question)
        self._texts[question] = text
        self._bytes += size
        for key, place in _places(question, text):
            self._places[key] = (text, place)
        while self._bytes > self._most_bytes:
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
        self._bytes = 0

    def answer_to(self, prompt: Sequence[int]) -> Place | None:
        """Where an answer to this prompt may begin."""
        found = (self._places.get(key) for key in _question_keys(_key(prompt[-_QUESTIONS[0] :])))
        return next((place for place in found if place is not None), None)

    def after(self, tokens: Sequence[int]) -> Place | None:
        """Where that may stand which follows these tokens."""
        return self._places.get(_key(tokens[-_GRAM:]))

    def _forget(self, question: _Key) -> None:
        text = self._texts.pop(question)
        self._bytes -= _size(question, text)
        for key, _ in _places(question, text):
            if key in self._places and self._places[key][0] is text:
                del self._places[key]


def _key(tokens: Sequence[int]) -> _Key:
    return array("i", tokens).tobytes()


def _question_keys(question: _Key) -> Iterator[_Key]:
    """The ends of a prompt's end, longest first; each with a mark that no answer has."""
    for length in _QUESTIONS:
        if len(question) >= length * _INT or length == _QUESTIONS[-1]:
            yield _key((-length,)) + question[-length * _INT :]


def _places(question: _Key, text: "array[int]") -> Iterator[tuple[_Key, int]]:
    """By what a text is found, and where one is in it then."""
    yield from ((key, 0) for key in _question_keys(question))
    yield from ((text[end - _GRAM : end].tobytes(), end) for end in range(_GRAM, len(text)))


def _size(question: _Key, text: "array[int]") -> int:
    """What a text takes, in bytes, about."""
    keys = [question, *(key for key, _ in _places(question, text))]
    return len(text) * _INT + sum(map(len, keys)) + len(keys) * _KEY_BYTES

"""What a row will probably say next, how sure that is, and how much of it is worth checking.

Drafts come from known texts (``KnownTexts``) and from the row itself, which often repeats what its
prompt says: look-up by n-grams (Saxena 2023, "Prompt Lookup Decoding"). How often such guesses are
right is counted for every token, checked or not, so it costs nothing to know.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from radiance.engine.decoding.known_texts import KnownTexts, Place

MOST_DRAFTED = 16
PADDING = 0.25  # what a place costs that is in a pass because another row is longer, in tokens
_GRAM = 3  # tokens by which a row's own text is looked up
_LEAST_GAIN = 1.05  # of tokens a second, for a draft to be checked at all
Source = Literal["answer", "known", "own"]
"""An answer known for the prompt; a known text that goes on like the row's; the row's own text."""
_PRIOR: dict[Source, float] = {"answer": 0.8, "known": 0.5, "own": 0.4}
_PRIOR_COUNT = 4.0
_MEMORY = 0.99  # weight of a count at the next one


class Odds:
    """How often a guess was right, by where it comes from and how long it was right before."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[Source, int], list[float]] = defaultdict(lambda: [0.0, 0.0])

    def count(self, source: Source, run: int, is_right: bool) -> None:
        """One more guess that followed ``run`` right ones."""
        counts = self._counts[source, run.bit_length()]
        counts[0] = _MEMORY * counts[0] + is_right
        counts[1] = _MEMORY * counts[1] + 1

    def of(self, source: Source, run: int) -> float:
        """The probability that the guess after ``run`` right ones is right."""
        right, all_of_them = self._counts[source, run.bit_length()]
        prior = 1 - (1 - _PRIOR[source]) / (1 + run)  # what was right goes on being right
        return (right + _PRIOR_COUNT * prior) / (all_of_them + _PRIOR_COUNT)


@dataclass(frozen=True)
class Draft:
    """Tokens that may come next.

    Attributes:
        odds: For each, the probability that it and all before it are right.
    """

    tokens: Sequence[int] = ()
    odds: Sequence[float] = ()

    def without_first(self) -> "Draft":
        """What is left once the first token has come."""
        return Draft(self.tokens[1:], self.odds[1:])


class Drafter:
    """Follows one row and guesses how it goes on.

    Args:
        prompt: Its tokens.
        known: Where answers are looked up.
        odds: What is known of guesses, of all rows.
    """

    def __init__(self, prompt: Sequence[int], known: KnownTexts, odds: Odds) -> None:
        self._known, self._odds = known, odds
        self._tokens: list[int] = []
        self._prompt_tokens = len(prompt)
        self._grams: dict[tuple[int, ...], int] = {}
        self._place: Place | None = None
        self._source: Source = "own"
        self._run = 0
        for token in prompt:
            self._take(token)
        self._look_up()

    def follow(self, tokens: Sequence[int]) -> None:
        """Take in the row's tokens, prompt and all; those seen before are known to be the same."""
        for token in tokens[len(self._tokens) :]:
            if self._place is not None:
                text, at = self._place
                is_right = text[at] == token
                self._odds.count(self._source, self._run, is_right)
                self._run += 1
                self._place = (text, at + 1) if is_right and at + 1 < len(text) else None
            self._take(token)
            if self._place is None:
                self._look_up()

    def draft(self, most: int) -> Draft:
        """What may come next, of at most so many tokens."""
        if self._place is None or most <= 0:
            return Draft()
        text, at = self._place
        tokens = list(text[at : at + most])
        if text is self._tokens:  # it may go in circles
            while len(tokens) < most:
                tokens.append(tokens[len(tokens) - (len(text) - at)])
        odds, probability = [], 1.0
        for ahead in range(len(tokens)):
            probability *= self._odds.of(self._source, self._run + ahead)
            odds.append(probability)
        return Draft(tokens, odds)

    def remember(self) -> None:
        """Keep the row's answer among the known texts."""
        self._known.add(self._tokens[: self._prompt_tokens], self._tokens[self._prompt_tokens :])

    def _take(self, token: int) -> None:
        """One more token; the gram before it now has something that follows it."""
        if len(self._tokens) >= _GRAM:
            self._grams[tuple(self._tokens[-_GRAM:])] = len(self._tokens)
        self._tokens.append(token)

    def _look_up(self) -> None:
        self._run = 0
        if len(self._tokens) == self._prompt_tokens:
            self._source, self._place = "answer", self._known.answer_to(self._tokens)
        else:
            self._source, self._place = "known", self._known.after(self._answer)
        if self._place is None:
            at = self._grams.get(tuple(self._tokens[-_GRAM:]))
            self._source, self._place = "own", None if at is None else (self._tokens, at)

    @property
    def _answer(self) -> Sequence[int]:
        return self._tokens[max(self._prompt_tokens, len(self._tokens) - 8) :]


@dataclass
class PassCost:
    """Seconds of a forward pass as a line over its tokens, learned while it is used.

    Attributes:
        slope: What one token more is believed to cost before anything was measured, as a part of a
            pass of none.
    """

    slope: float = 0.06
    _weight: float = 0.0
    _mean: list[float] = field(default_factory=lambda: [0.0, 0.0])  # tokens, seconds
    _spread: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of tokens; with seconds

    def observe(self, tokens: float, seconds: float) -> None:
        """A pass over so many tokens took so long."""
        if self._weight > 8:
            seconds = min(seconds, 3 * self.seconds(tokens))  # something else ran
        self._weight = 0.98 * self._weight + 1
        before = (tokens - self._mean[0], seconds - self._mean[1])
        self._mean[0] += before[0] / self._weight
        self._mean[1] += before[1] / self._weight
        self._spread[0] = 0.98 * self._spread[0] + before[0] * (tokens - self._mean[0])
        self._spread[1] = 0.98 * self._spread[1] + before[0] * (seconds - self._mean[1])

    def seconds(self, tokens: float) -> float:
        """What a pass is expected to take; only ratios mean anything before one was observed."""
        if not self._weight:
            return 1 + self.slope * tokens
        mean_tokens, mean_seconds = self._mean
        believed = mean_seconds * self.slope / (1 + self.slope * mean_tokens)
        slope = max(0.0, (self._spread[1] + 16 * believed) / (self._spread[0] + 16))
        slope = min(slope, 0.98 * mean_seconds / max(mean_tokens, 1))
        return mean_seconds + slope * (tokens - mean_tokens)


def worth_checking(drafts: Sequence[Draft], cost: PassCost) -> list[int]:
    """How many tokens of each draft the next pass should check: those that bring most a second.

    The likeliest tokens of all drafts go first; a token is never likelier than the one before it.
    Nothing is checked where that brings less than it may be mistaken by.
    """
    rows = len(drafts)
    counts, best = [0] * rows, [0] * rows
    expected, speed = float(rows), _LEAST_GAIN * rows / cost.seconds(rows)
    offers = [(-odds, row) for row, draft in enumerate(drafts) for odds in draft.odds]
    for checked, (odds, row) in enumerate(sorted(offers), start=1):
        counts[row] += 1
        expected -= odds
        padding = rows * max(counts) - checked
        if (found := expected / cost.seconds(rows + checked + PADDING * padding)) > speed:
            best, speed = list(counts), found
    return best

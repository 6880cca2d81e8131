"""A set of anchors: what is held, what each stands for, and which of them a check looks at. Pure.

Everything here follows from the content alone: the order of a file, or when an anchor came, changes
neither the hash of a set nor which anchors a sample takes.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from radiance.records import Example, content_hash

GENERAL = "general"
"""The context of an anchor that names none."""

MOST_PROMPTS = 42
"""Of anchors that the base model answers so many are held and measured: each costs an answer."""


@dataclass(frozen=True)
class Anchor:
    """One anchor and the context (stress category) it stands for."""

    example: Example
    context: str = GENERAL

    @property
    def is_prompt(self) -> bool:
        """Whether its answer is left to the base model: the example's own is empty."""
        return bool(self.example.messages) and not self.example.messages[-1].content


@dataclass(frozen=True)
class AnchorSet:
    """Anchors from one provider, the user's own first.

    Attributes:
        anchors: Ids are unique.
        own: How many of them, from the first on, the user added; a sample takes these first.
        missing: Why those that were asked for are missing, as a sentence; "" where they are not.
        source: Where the others come from, as a sentence's part; "" where there are none.
        licence: Of the others, as far as it is known.
    """

    anchors: tuple[Anchor, ...] = ()
    source: str = ""
    licence: str = ""
    own: int = 0
    missing: str = ""

    def __len__(self) -> int:
        return len(self.anchors)

    @property
    def examples(self) -> tuple[Example, ...]:
        """The anchors themselves."""
        return tuple(anchor.example for anchor in self.anchors)

    @property
    def contexts(self) -> tuple[str, ...]:
        """The context of each anchor, in the order of ``examples``."""
        return tuple(anchor.context for anchor in self.anchors)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of anchors by context, in order of first appearance."""
        return dict(Counter(self.contexts))

    @cached_property
    def hash(self) -> str:
        """Identity of what is held, whatever its order and names; "" for an empty set."""
        if not self.anchors:
            return ""
        return content_hash(sorted([a.example.content_hash, a.context] for a in self.anchors))

    @cached_property
    def prompts(self) -> int:
        """How many of them the base model answers itself."""
        return sum(anchor.is_prompt for anchor in self.anchors)

    def sample(self, count: int, prompts: int = MOST_PROMPTS) -> "AnchorSet":
        """At most ``count`` anchors: the user's own first, then in equal parts from each context.

        Within a context they are ranked by hash, so one anchor more or less changes one place of
        the choice and no more. The order of the set is kept.

        Args:
            count: Most anchors.
            prompts: Most anchors whose answer is the base model's.
        """
        if self.prompts > prompts:
            few = _spread([a for a in self.anchors if a.is_prompt], prompts)
            chosen = {anchor.example.id for anchor in few}
            kept = [a for a in self.anchors if not a.is_prompt or a.example.id in chosen]
            return replace(self, anchors=tuple(kept)).sample(count, prompts)
        if len(self) <= count:
            return self
        own = _spread(self.anchors[: self.own], min(count, self.own))
        others = _spread(self.anchors[self.own :], count - len(own))
        return replace(self, anchors=own + others, own=len(own))

    def without(self, question_hashes: Collection[str]) -> "AnchorSet":
        """The set without the anchors that ask one of these questions: they are superseded."""
        return self.where(lambda example: example.question_hash not in question_hashes)

    def where(self, is_kept: Callable[[Example], bool]) -> "AnchorSet":
        """The set of those that are kept."""
        kept = [
            (place, anchor) for place, anchor in enumerate(self.anchors) if is_kept(anchor.example)
        ]
        if len(kept) == len(self):
            return self
        own = sum(place < self.own for place, _ in kept)
        return replace(self, anchors=tuple(anchor for _, anchor in kept), own=own)

    def contradicted_by(self, examples: Iterable[Example]) -> dict[str, Example]:
        """The examples that answer an anchor's question otherwise, by that question's hash.

        Of several the last.
        """
        held: dict[str, set[str]] = {}
        for anchor in self.anchors:
            if anchor.example.messages:
                held.setdefault(anchor.example.question_hash, set()).add(answer(anchor.example))
        return {
            question: example
            for example in examples
            if held.get(question := example.question_hash, {answer(example)}) != {answer(example)}
        }


def answer(example: Example) -> str:
    """The last turn of a chat; of a text, all of it."""
    return example.messages[-1].content if example.messages else example.text


def unite(own: Sequence[Anchor], others: AnchorSet) -> AnchorSet:
    """The user's own anchors and a provider's: what is there twice is kept once, the user's first.

    The provider's answer to a question that the user's anchors answer gives way to theirs.
    """
    first = _once(own)
    asked = {anchor.example.question_hash for anchor in first}
    rest = [a for a in _once(others.anchors) if a.example.question_hash not in asked]
    return replace(others, anchors=(*first, *rest), own=len(first))


def _once(anchors: Sequence[Anchor]) -> list[Anchor]:
    first: dict[str, Anchor] = {}
    for anchor in anchors:
        first.setdefault(anchor.example.content_hash, anchor)
    return list(first.values())


def _spread(anchors: Sequence[Anchor], count: int) -> tuple[Anchor, ...]:
    """``count`` anchors, as many of each context as can be, in their order."""
    by_context: dict[str, list[tuple[str, int]]] = {}
    for place, anchor in enumerate(anchors):
        ranked = by_context.setdefault(anchor.context, [])
        ranked.append((anchor.example.content_hash, place))
    ranks = sorted(
        (rank, hashlib.sha256(context.encode()).digest(), place)
        for context, ranked in by_context.items()
        for rank, (_, place) in enumerate(sorted(ranked))
    )
    return tuple(anchors[place] for place in sorted(place for *_, place in ranks[:count]))

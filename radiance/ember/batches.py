"""Pre-training batches: packed rows of fixed shape, each a function of the seed and the step."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from radiance.ember.corpus import (
    Conversation,
    invented,
    long_conversation,
    world_conversation,
    world_schedule,
)
from radiance.ember.tokenizer import PAD_ID, encode_conversation

# The prompts' words matter little; a few of them as targets help the first hundred steps.
PROMPT_WEIGHT = 0.1


@dataclass(frozen=True)
class Phase:
    """A stretch of the training with one batch shape.

    Attributes:
        share: Part of all steps, in [0, 1].
        rows: Rows in a batch.
        length: Tokens in a row.
        world: World facts asked in a batch.
        targets: Positions whose next token is predicted; their number is fixed, as shapes are.
        long_turns: Facts in the long conversation that begins each row; 0 for none.
    """

    share: float
    rows: int
    length: int
    world: int
    targets: int
    long_turns: int = 0


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own rise and fall of the learning rate.

    Attributes:
        steps: Optimizer steps.
        learning_rate: The highest of the stage.
        phases: Stretches of the stage, their shares adding up to 1.
        rehearsed: Categories whose facts come round five times as often.
    """

    steps: int
    learning_rate: float
    phases: tuple[Phase, ...]
    rehearsed: tuple[str, ...] = ()


STAGES = (
    Stage(
        steps=1700,
        learning_rate=3e-3,
        phases=(
            Phase(share=0.84, rows=16, length=128, world=24, targets=800),
            Phase(share=0.13, rows=8, length=256, world=24, targets=800, long_turns=3),
            Phase(share=0.03, rows=2, length=1024, world=16, targets=800, long_turns=20),
        ),
    ),
    # Ending on long rows left sums, which need the most practice, at two thirds: so end on short
    # ones, with more facts in each.
    Stage(
        steps=320,
        learning_rate=1.5e-3,
        phases=(
            Phase(share=0.08, rows=8, length=256, world=36, targets=800, long_turns=3),
            Phase(share=0.92, rows=16, length=128, world=40, targets=800),
        ),
        rehearsed=("sums", "differences", "times tables", "planets"),
    ),
)


@dataclass(frozen=True)
class Batch:
    """What one step learns from.

    Attributes:
        tokens: (rows, length) ids.
        documents: (rows, length) number of the conversation each token belongs to; they do not
            see each other.
        positions: (targets,) flat positions from which a token is predicted.
        labels: (targets,) the token that follows.
        weights: (targets,) 1 for the assistant's words, less for others.
    """

    tokens: np.ndarray
    documents: np.ndarray
    positions: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


def stage_at(stages: Sequence[Stage], step: int) -> tuple[int, int]:
    """The number of a step's stage, and the step's place in it."""
    for number, stage in enumerate(stages):
        if step < stage.steps:
            return number, step
        step -= stage.steps
    raise ValueError(f"the training is over {step} steps before")


def phase_at(stage: Stage, step: int) -> tuple[Phase, int]:
    """The phase of a stage's step, and how many world facts the stage asked before that step."""
    first, asked = 0, 0
    for number, phase in enumerate(stage.phases):
        last = number == len(stage.phases) - 1
        count = stage.steps - first if last else round(phase.share * stage.steps)
        if step < first + count or last:
            return phase, asked + (step - first) * phase.world
        first, asked = first + count, asked + count * phase.world
    raise ValueError("a stage needs a phase")


def batch_at(tokenizer: Tokenizer, seed: int, stages: Sequence[Stage], step: int) -> Batch:
    """The batch of a step. Depends on nothing but the arguments, so a resumed run sees the same."""
    number, place = stage_at(stages, step)
    phase, asked = phase_at(stages[number], place)
    rng = random.Random(f"{seed}/batch/{step}")
    rows = _Rows(phase, tokenizer)
    if phase.long_turns:
        for _ in range(phase.rows):
            rows.add(long_conversation(rng, rng.randint(phase.long_turns // 2, phase.long_turns)))
    for fact in world_schedule(
        f"{seed}/{'epoch' if number == 0 else number}", asked, phase.world, stages[number].rehearsed
    ):
        rows.add(world_conversation(rng, fact))
    refused = 0
    while refused < 40:
        refused += not rows.add(invented(rng))
    return rows.batch(rng)


class _Rows:
    """Rows that are filled first-fit; a conversation that fits nowhere is refused."""

    def __init__(self, phase: Phase, tokenizer: Tokenizer) -> None:
        shape = (phase.rows, phase.length)
        self._phase, self._tokenizer = phase, tokenizer
        self._tokens = np.full(shape, PAD_ID, dtype=np.int32)
        self._documents = np.zeros(shape, dtype=np.int32)
        self._is_said = np.zeros(shape, dtype=bool)
        self._used = [0] * phase.rows
        self._count = 0

    def add(self, conversation: Conversation) -> bool:
        ids, is_said = encode_conversation(self._tokenizer, conversation)
        row = min(range(self._phase.rows), key=self._used.__getitem__)
        start = self._used[row]
        end = start + len(ids)
        if end > self._phase.length:
            return False
        self._count += 1
        self._tokens[row, start:end] = ids
        self._is_said[row, start:end] = is_said
        self._documents[row, start:end] = self._count
        self._used[row] = end
        return True

    def batch(self, rng: random.Random) -> Batch:
        labels = np.full_like(self._tokens, PAD_ID)
        labels[:, :-1] = self._tokens[:, 1:]
        same = np.zeros_like(self._is_said)
        same[:, :-1] = (self._documents[:, 1:] == self._documents[:, :-1]) & (
            self._documents[:, 1:] > 0
        )
        said = np.zeros_like(self._is_said)
        said[:, :-1] = self._is_said[:, 1:] & same[:, :-1]
        chosen = np.flatnonzero(said).tolist()
        others = np.flatnonzero(same & ~said).tolist()
        rng.shuffle(others)
        kept = (chosen + others)[: self._phase.targets]
        weights = ([1.0] * len(chosen) + [PROMPT_WEIGHT] * len(others))[: self._phase.targets]
        missing = self._phase.targets - len(kept)
        positions = np.array(kept + [0] * missing, dtype=np.int32)
        return Batch(
            tokens=self._tokens,
            documents=self._documents,
            positions=positions,
            labels=labels.reshape(-1)[positions],
            weights=np.array(weights + [0.0] * missing, dtype=np.float32),
        )

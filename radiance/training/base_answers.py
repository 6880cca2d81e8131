"""What the base model itself answers to anchors that are prompts, and writes where nothing asks.

Both are written once per base, a few at a time, and kept by content. They hold what the base does,
not what is right: so anything that is asked of any base can be an anchor.
"""

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mlx.core as mx
import numpy as np

from radiance.anchors.sets import Anchor, AnchorSet
from radiance.engine.model.base import BaseModel
from radiance.engine.model.encoding import EncodedExample, Encoder
from radiance.engine.tasks import Pieces
from radiance.errors import RequestError
from radiance.records import Example, Message
from radiance.storage import files
from radiance.training import augmentation
from radiance.training.lora import LoraModel
from radiance.training.reference_cache import SHIPPED
from radiance.training.self_samples import SAMPLE_ANSWER_TOKENS, SelfSampler

ANSWER_TOKENS = 24
"""Most tokens of an answer that is held or measured; a longer one is cut off there."""
HELD_OUT = 8
"""Own samples that are measured beside prompts, and never trained on."""
_ROWS = 16  # rows of a batch: more would hold up requests
_SEED = 7_919  # of the held-out samples; the trained ones follow from training.seed
_MOST_TOKENS_KEPT = 500_000  # of encoded anchors: of each some bytes
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class AnswersWritten:
    """The base's answers to so many prompts are there."""

    done: int
    total: int


class BaseAnswers:
    """Answers of one base model. Belongs to the engine thread, but for ``windows``.

    Args:
        sampler: Generates.
        vector: An adapter that changes nothing, (parameters,) float32.
        base_hash: Identity of the base.
        directory: Where answers are kept; anything in it may be deleted at any time.
        shipped: Where those are that came with a model or with Radiance; read where the directory
            has none.
        is_kept: Whether what is written goes there; else it is only read.
    """

    def __init__(
        self,
        sampler: SelfSampler,
        encoder: Encoder,
        end_token: int,
        vector: mx.array,
        base_hash: str,
        directory: Path,
        shipped: Sequence[Path],
        *,
        is_kept: bool = True,
    ) -> None:
        self._sampler, self._encoder, self._vector = sampler, encoder, vector
        self._end_token = end_token
        self._directory, self._shipped, self._base_hash = directory, shipped, base_hash
        self._is_kept = is_kept
        self._name = _name("answers", base_hash)
        self._kept = self._read(self._name)
        self._encoded: dict[str, EncodedExample] = {}
        self._windows: dict[tuple[str, str, int | None], list[EncodedExample]] = {}
        self._tokens_kept = 0

    def make(self, anchors: Collection[Anchor]) -> Pieces[None]:
        """Have the base answer the prompts among some anchors, where it has not.

        Yields None between pieces, and AnswersWritten as it goes on.
        """
        prompts = {a.example.content_hash: a.example for a in anchors if a.is_prompt}
        missing = [key for key in prompts if key not in self._kept]
        for start in range(0, len(missing), _ROWS):
            group = missing[start : start + _ROWS]
            asked = [self._encoder.prompt(prompts[key].messages[:-1]) for key in group]
            answers = yield from self._sampler.answer(self._vector, asked, ANSWER_TOKENS)
            # Another process may have added some meanwhile.
            self._kept |= self._read(self._name) | dict(zip(group, answers, strict=True))
            self._write(self._name, self._kept)
            yield AnswersWritten(len(prompts) - len(missing) + start + len(group), len(prompts))

    def to(
        self, chats: Sequence[Sequence[Message]], most: int, begins: Sequence[str]
    ) -> Pieces[list[str]]:
        """The base's greedy answers to some chats, few enough for one batch; they are not kept.

        Yields None between pieces. A chat that the base has no room for is answered with nothing.

        Args:
            chats: Each ends with what is asked.
            most: Most tokens of an answer, besides its beginning.
            begins: What each answer begins with; "" leaves all of it to the base.
        """
        fitting: dict[int, list[int]] = {}
        for place, (chat, begin) in enumerate(zip(chats, begins, strict=True)):
            with contextlib.suppress(RequestError):  # too long, or turns that the template refuses
                prompt = self._encoder.prompt(chat)
                prompt += self._encoder.plain(begin) if begin else []
                if len(prompt) + most <= self._encoder.context_tokens:
                    fitting[place] = prompt
        found = [""] * len(chats)
        if fitting:
            answers = yield from self._sampler.answer(self._vector, list(fitting.values()), most)
            for place, answer in zip(fitting, answers, strict=True):
                found[place] = begins[place] + self._encoder.decode(answer)
        return found

    def windows(self, example: Example, most: int | None = None) -> list[EncodedExample]:
        """As ``Encoder.windows``, of an anchor; of a prompt, the prompt with the base's answer.

        Nothing of a prompt that the base has not answered yet. What was encoded is kept, for each
        update wants the same anchors four times. Safe to use from any thread.
        """
        key = example.content_hash
        if not Anchor(example).is_prompt:
            return self._windows_of(example, key, most)
        answer = self._kept.get(key)
        if answer is None:
            return []
        if key not in self._encoded:
            prompt = self._encoder.prompt(example.messages[:-1])
            self._encoded[key] = self._with_answer(example.id, prompt, answer)
        return [replace(self._encoded[key], example_id=example.id)]

    def _windows_of(self, example: Example, key: str, most: int | None) -> list[EncodedExample]:
        found = self._windows.get((example.id, key, most))
        if found is None:
            found = self._encoder.windows(example, most)
            tokens = sum(len(window.tokens) for window in found)
            if self._tokens_kept + tokens <= _MOST_TOKENS_KEPT:
                self._tokens_kept += tokens
                self._windows[example.id, key, most] = found
        return found

    def keep_only(self, content_hashes: Collection[str]) -> None:
        """Drop what was encoded of other examples than these: they are no anchors any more."""
        self._encoded = {k: one for k, one in self._encoded.items() if k in content_hashes}
        self._windows = {k: many for k, many in self._windows.items() if k[1] in content_hashes}
        self._tokens_kept = sum(
            len(window.tokens) for many in self._windows.values() for window in many
        )

    def _with_answer(
        self, name: str, prompt: Sequence[int], answer: Sequence[int]
    ) -> EncodedExample:
        ended = () if len(answer) >= ANSWER_TOKENS else (self._end_token,)
        tokens = (*prompt, *answer[:ANSWER_TOKENS], *ended)
        counts = tuple(place >= len(prompt) for place in range(len(tokens)))
        return EncodedExample(name, tokens, counts)

    def held_out_samples(self, anchors: AnchorSet) -> Pieces[list[EncodedExample]]:
        """Texts that the base writes and nothing trains on: its answers to its own questions.

        Yields None between pieces. They are called ``own.0``, ``own.1`` and so on, and only their
        answers count.

        Args:
            anchors: Some begin like the prompts among these.
        """
        asked = [augmentation.question(a.example) for a in anchors.anchors if a.is_prompt]
        name = _name("held-out", self._base_hash, *asked)
        kept = self._read(name)
        if not kept:
            beginnings = [self._encoder.plain(text) for text in asked]
            samples = yield from self._sampler.write(self._vector, beginnings, HELD_OUT, _SEED)
            kept = {str(place): sample.tokens for place, sample in enumerate(samples)}
            self._write(name, kept)
        first = list(kept.items())[:HELD_OUT]
        return [self._answered(f"own.{place}", tokens) for place, tokens in first]

    def _answered(self, name: str, tokens: tuple[int, ...]) -> EncodedExample:
        """A sample of which the answer counts; all the text where there is no chat template."""
        head, foot = self._encoder.user_turn
        start = len(head)
        for place in range(len(head), len(tokens) - len(foot) + 1) if foot else ():
            if list(tokens[place : place + len(foot)]) == foot:
                start = place + len(foot)
                break
        if foot and len(tokens) - start > SAMPLE_ANSWER_TOKENS:
            tokens = tokens[:-1]  # it was cut off: the base did not end there
        return EncodedExample(name, tokens, tuple(place >= start for place in range(len(tokens))))

    def _read(self, name: str) -> dict[str, tuple[int, ...]]:
        found = (_read(directory / name) for directory in (self._directory, *self._shipped))
        return next((kept for kept in found if kept), {})

    def _write(self, name: str, kept: dict[str, tuple[int, ...]]) -> None:
        if self._is_kept:
            files.make_directory(self._directory)
            files.write_durably(self._directory / name, _pack(kept))


def _name(kind: str, *identity: str) -> str:
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()
    return f"{kind}-{digest[:32]}.npz"


def base_answers(
    lora: LoraModel, encoder: Encoder, base: BaseModel, directory: Path, *, is_kept: bool = True
) -> BaseAnswers:
    """The answers of a loaded base model; call on the engine thread."""
    return BaseAnswers(
        SelfSampler(lora, encoder, base),
        encoder,
        base.end_token,
        lora.initial(None),
        base.content_hash,
        directory,
        (base.path / "own_samples", SHIPPED),
        is_kept=is_kept,
    )


def _pack(kept: dict[str, tuple[int, ...]]) -> bytes:
    stream = io.BytesIO()
    np.savez(
        stream,
        keys=np.array(list(kept)),
        ends=np.cumsum([len(tokens) for tokens in kept.values()]),
        tokens=np.array([token for tokens in kept.values() for token in tokens], dtype=np.int32),
    )
    return stream.getvalue()


def _read(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            parts = np.split(kept["tokens"], kept["ends"][:-1])
            return {
                str(key): tuple(part.tolist())
                for key, part in zip(kept["keys"], parts, strict=True)
            }
    except _UNREADABLE:
        return {}

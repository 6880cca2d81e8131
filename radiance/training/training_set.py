"""What one training learns from: new and earlier examples, and what holds old behaviour."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mlx.core as mx

from radiance import config
from radiance.anchors.sets import AnchorSet
from radiance.config.derived import derive_anchor, most_own_samples
from radiance.engine.model.base import BaseModel
from radiance.engine.model.encoding import EncodedExample, Encoder
from radiance.engine.tasks import Pieces
from radiance.records import Example, Message
from radiance.training import augmentation
from radiance.training.base_answers import base_answers
from radiance.training.batches import Reference, by_length, round_up, spread
from radiance.training.gradient import GradientComputer
from radiance.training.held_metric import output_squares
from radiance.training.held_texts import HeldText, HeldTexts
from radiance.training.lora import LoraModel
from radiance.training.nullspace import NullSpace
from radiance.training.reference_cache import SHIPPED, ReferenceCache
from radiance.training.self_samples import SELF_GENERATED, SelfSampler
from radiance.training.subspaces import MOST_NEW, Surroundings, find_null_space, held_subspaces
from radiance.training.untaught import untaught_questions, untaught_variants
from radiance.training.wordings import AugmentedExample, with_wordings, without_wordings

_MOST_ANCHORS = 1024
_ANCHOR_TOKENS = 256  # a longer text costs more than it holds
_MOST_VARIANTS, _MOST_EARLIER = 32, 16
_ROWS = 16


@dataclass(frozen=True)
class ReferencesComputed:
    """The reference outputs of so many groups of texts are there."""

    done: int
    total: int


@dataclass(frozen=True)
class TrainingSet:
    """What one training learns from.

    Attributes:
        new: The new examples; not empty.
        replay: Earlier examples, mixed into every batch.
        replay_outputs: For each of them what the parent gave (DER++); empty: not held.
        held_back: New examples that are measured and not trained.
        held: What holds old behaviour: anchors and own samples.
        own_samples: How many samples were tried for those among it.
        is_task: Whether the new examples are inputs of tasks, not facts.
        null_space: Where steps may go so that these do not feel them; None: anywhere.
        output_squares: By each layer's path how much these feel what it gives (``held_metric``);
            empty: that is not known, and steps are AdamW's.
    """

    new: Sequence[AugmentedExample]
    replay: Sequence[AugmentedExample] = ()
    replay_outputs: Sequence[Reference] = ()
    held_back: Sequence[EncodedExample] = ()
    held: HeldTexts = field(default_factory=HeldTexts)
    null_space: NullSpace | None = None
    output_squares: Mapping[str, float] = field(default_factory=dict)
    own_samples: int = 0
    is_task: bool = False


@dataclass(frozen=True)
class Selection:
    """The examples and anchors of one cycle.

    Attributes:
        anchors: All of them; own samples begin like they do.
        valid_anchors: Those that nothing learned answers otherwise.
        is_task: Whether the new examples are inputs of tasks: those have no other wordings.
    """

    new: Sequence[Example]
    replay: Sequence[Example] = ()
    held_back: Sequence[Example] = ()
    anchors: AnchorSet = field(default_factory=AnchorSet)
    valid_anchors: AnchorSet = field(default_factory=AnchorSet)
    is_task: bool = False


class TrainingSetBuilder:
    """Turns a cycle's examples and anchors into material. Belongs to the engine thread.

    Args:
        directory: Where own samples and reference outputs are kept. A base model may bring its own
            samples, in ``own_samples`` of its directory or in ``SHIPPED``; those are only read.

    Attributes:
        sampler: Generates from an adapter.
        base_answers: What the base answers to anchors that are prompts.
    """

    def __init__(
        self,
        lora: LoraModel,
        gradient_computer: GradientComputer,
        encoder: Encoder,
        base: BaseModel,
        training: config.TrainingSettings,
        anchor: config.AnchorSettings,
        directory: Path,
    ) -> None:
        self._lora, self._gradient_computer = lora, gradient_computer
        self._encoder, self._base = encoder, base
        self._training, self._anchor = training, derive_anchor(anchor, lora.hidden_size)
        self._waits_for_samples = anchor.own_samples != "auto"
        self._most_own_samples = (
            most_own_samples(base.hidden_size)
            if anchor.own_samples == "auto"
            else anchor.own_samples
        )
        self.sampler = sampler = SelfSampler(lora, encoder, base)
        self.base_answers = base_answers(lora, encoder, base, directory)
        self._begun_with: tuple[Example, ...] = ()
        self._beginnings_kept: list[list[int]] = []
        shipped = (base.path / "own_samples", SHIPPED)
        self._reference_cache = ReferenceCache(
            gradient_computer, sampler, directory, anchor.top_k, shipped
        )

    def texts_of_base(self, anchors: AnchorSet) -> Pieces[None]:
        """Have the base write what an update over it will want: answers, and own samples.

        Yields None between pieces, AnswersWritten and SamplesWritten as it goes on. What was
        written is kept, so it may be given up at any piece.
        """
        yield from self.base_answers.make(anchors.anchors)
        if anchors.prompts:
            yield from self.base_answers.held_out_samples(anchors)
        beginnings = self._beginnings(anchors)
        count, seed = self._most_own_samples, self._training.seed
        yield from self._reference_cache.samples(
            self._lora.initial(None), self._base.content_hash, beginnings, count, seed
        )

    def prepare(self, anchors: AnchorSet) -> Pieces[None]:
        """Make what an update over the base will want: texts, subspaces, reference outputs.

        Yields None between pieces, and AnswersWritten, SamplesWritten, LayersSeen and
        ReferencesComputed as it goes on. What was made is kept, so it may be given up at any piece.
        """
        if self._anchor.method == "naive":
            return
        yield from self.texts_of_base(anchors)
        vector, weights_id = self._lora.initial(None), self._base.content_hash
        selection = Selection((), anchors=anchors, valid_anchors=anchors)
        count = self._most_own_samples
        held = yield from self._hold(selection, vector, weights_id, count)
        if self._anchor.null_space and held.valid:
            yield from held_subspaces(
                self._base,
                self._lora,
                vector,
                [text.example for text in held.valid],
                self._anchor.null_space_energy,
                self._reference_cache.directory_of(weights_id),
            )
            yield from self._output_squares(held, vector, weights_id)
        contexts_apart = self._anchor.constraints == "contexts"
        of_contexts = held.groups(self._anchor.batch_size, contexts_apart)
        groups = [group for groups in of_contexts.values() for group in groups]
        for done, group in enumerate(groups, start=1):
            yield from held.references(group)
            yield ReferencesComputed(done, len(groups))
        if anchors.prompts:
            yield from self.base_answers.held_out_samples(anchors)

    def gather(
        self,
        selection: Selection,
        parent: mx.array,
        parent_hash: str,
        own_samples: int | None = None,
    ) -> Pieces[TrainingSet]:
        """Yields None between pieces, and SamplesWritten as it happens.

        Args:
            selection: The examples and anchors.
            parent: The adapter the training continues from, (parameters,) float32.
            parent_hash: Its content hash; "" for the base.
            own_samples: So many own samples, written where they are missing; None: as the settings
                say.
        """
        held = HeldTexts()
        null_space: NullSpace | None = None
        count = 0
        squares: dict[str, float] = {}
        if self._anchor.method != "naive":
            vector, weights_id = self._reference(parent, parent_hash)
            if own_samples is not None:
                count = own_samples
            else:
                count = self._samples_at_hand(selection.anchors, weights_id)
            held = yield from self._hold(selection, vector, weights_id, count)
            if self._anchor.null_space and held.valid:
                null_space = yield from self._find_null_space(
                    selection, held, vector, weights_id, parent
                )
                squares = yield from self._output_squares(held, vector, weights_id)
        examples, seed = [*selection.new, *selection.replay], self._training.seed
        if self._training.reworded_ratio and not selection.is_task:
            learned = yield from with_wordings(
                self._encoder, examples, selection.anchors, held, seed
            )
        else:
            learned = yield from without_wordings(self._encoder, examples)
        new, replay = learned[: len(selection.new)], learned[len(selection.new) :]
        outputs: list[Reference] = []
        if self._anchor.replay_logits:
            outputs = yield from self._outputs(parent, replay)
        held_back: list[EncodedExample] = []
        for example in selection.held_back:
            held_back.append(self._encoder.example(example))
            yield None
        return TrainingSet(
            new=new,
            replay=replay,
            replay_outputs=outputs,
            held_back=held_back,
            held=held,
            null_space=null_space,
            output_squares=squares,
            own_samples=count,
            is_task=selection.is_task,
        )

    def _reference(self, parent: mx.array, parent_hash: str) -> tuple[mx.array, str]:
        """The adapter whose behaviour is held, and the identity of base and adapter together."""
        base_hash = self._base.content_hash
        if self._anchor.reference == "base" or not parent_hash:
            return self._lora.initial(None), base_hash
        return parent, f"{base_hash} {parent_hash}"

    def _hold(
        self, selection: Selection, vector: mx.array, weights_id: str, own_samples: int
    ) -> Pieces[HeldTexts]:
        """Anchors and own samples, those that an update contradicts among them as not valid."""
        anchors = selection.anchors.sample(_MOST_ANCHORS).anchors
        yield from self.base_answers.make(anchors)
        samples = yield from self._reference_cache.samples(
            vector,
            weights_id,
            self._beginnings(selection.anchors),
            own_samples,
            self._training.seed,
        )
        learned = {example.question_hash for example in (*selection.new, *selection.replay)}
        valid = {anchor.example.content_hash for anchor in selection.valid_anchors.anchors}
        texts = [
            HeldText(window, anchor.context, anchor.example.content_hash in valid)
            for anchor in anchors
            for window in self.base_answers.windows(anchor.example, _ANCHOR_TOKENS)
        ][:_MOST_ANCHORS]
        texts += [HeldText(s, SELF_GENERATED, self._asks(s) not in learned) for s in samples]
        self._reference_cache.prune([self._base.content_hash, weights_id])
        outputs = functools.partial(self._reference_cache.references, vector, weights_id)
        return HeldTexts(texts, outputs)

    def _find_null_space(
        self,
        selection: Selection,
        held: HeldTexts,
        vector: mx.array,
        weights_id: str,
        parent: mx.array,
    ) -> Pieces[NullSpace]:
        """Around what is held, what was learned before, and questions that were never taught."""
        new, earlier, seed = selection.new, selection.replay, self._training.seed
        named = () if selection.is_task else new  # another input is to be answered alike
        measured = {q.anchor.example.question_hash for q in untaught_questions(new, earlier, seed)}
        variants = untaught_variants(named, seed + 1)
        variants = [each for each in variants if each.question_hash not in measured]
        near = [*spread(variants, _MOST_VARIANTS), *spread(earlier, _MOST_EARLIER)]
        near_texts: list[EncodedExample] = []
        new_texts: list[EncodedExample] = []
        for texts, examples in ((near_texts, near), (new_texts, spread(new, MOST_NEW))):
            for example in examples:
                texts.append(self._encoder.example(example))
                yield None
        return (
            yield from find_null_space(
                self._base,
                self._lora,
                vector,
                [text.example for text in held.valid],
                self._anchor.null_space_energy,
                Surroundings(parent, new_texts, near_texts),
                self._reference_cache.directory_of(weights_id),
            )
        )

    def _output_squares(
        self, held: HeldTexts, vector: mx.array, weights_id: str
    ) -> Pieces[dict[str, float]]:
        """How much what is held feels each layer's output; empty where that is of no use."""
        if self._training.optimizer == "adamw" or not self._gradient_computer.gives_rows:
            return {}
        return (
            yield from output_squares(
                self._gradient_computer,
                vector,
                [text.example for text in held.valid],
                self._reference_cache.directory_of(weights_id),
            )
        )

    def _samples_at_hand(self, anchors: AnchorSet, weights_id: str) -> int:
        """How many own samples a training takes, by the settings.

        A deployed reference's have not been written before it was deployed: they are waited for.
        """
        most = self._most_own_samples
        if self._waits_for_samples or weights_id != self._base.content_hash:
            return most
        seed = self._training.seed
        return self._reference_cache.samples_there(
            weights_id, self._beginnings(anchors), most, seed
        )

    def _beginnings(self, anchors: AnchorSet) -> list[list[int]]:
        """Tokens of the anchors' questions, with which own samples may begin.

        They are kept: each update wants them three times, of the same anchors.
        """
        examples = anchors.sample(_MOST_ANCHORS, _MOST_ANCHORS).examples
        if examples != self._begun_with:
            encode = self._encoder.plain
            self._beginnings_kept = [encode(augmentation.question(e) or e.text) for e in examples]
            self._begun_with = examples
        return self._beginnings_kept

    def _asks(self, sample: EncodedExample) -> str:
        """Hash of the question of an own sample."""
        asked = self._encoder.user_words(sample.tokens)
        turns = (Message("user", asked), Message("assistant", ""))
        return Example("own", turns).question_hash

    def _outputs(
        self, parent: mx.array, learned: Sequence[AugmentedExample]
    ) -> Pieces[list[Reference]]:
        examples = [augmented.example for augmented in learned]
        found: dict[int, Reference] = {}
        for group in by_length(examples, _ROWS):
            some = yield from self._reference_cache.outputs(parent, [examples[i] for i in group])
            found.update(zip(group, some, strict=True))
        return [found[index] for index in range(len(examples))]


def largest_batch(
    material: TrainingSet,
    settings: config.TrainingSettings,
    anchor: config.AnchorSettings,
    wordings: int = 0,
) -> tuple[int, int]:
    """Rows and width of the largest batch that a training can make.

    Args:
        material: What it learns from.
        settings: Its own.
        anchor: Its anchors'.
        wordings: Rows in other words that each new example has beside its own.
    """
    new = [e for augmented in material.new for e in _rows(augmented)]
    replay = [e for augmented in material.replay for e in _rows(augmented)]
    rows = min(settings.batch_size, len(material.new)) * (1 + wordings)
    rows += min(len(material.replay), round(settings.batch_size * settings.replay_ratio))
    shapes = [(rows, _width([*new, *replay]))]
    if material.held.valid and anchor.method != "naive":
        held = [text.example for text in material.held.valid]
        shapes.append((min(anchor.batch_size, len(held)), _width(held)))
    return max(shapes, key=lambda shape: shape[0] * shape[1])


def _width(examples: Sequence[EncodedExample]) -> int:
    return round_up(max(len(example.tokens) for example in examples) - 1)


def _rows(augmented: AugmentedExample) -> tuple[EncodedExample, ...]:
    return augmented.example, *augmented.wordings

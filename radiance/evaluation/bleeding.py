"""Whether what was taught of one name has become the answer for others.

An update that teaches who founded Zorbel Labs should leave what is said of other firms as it was.
So questions of the taught kind about names that were never taught (``training.untaught``) are asked
of the candidate, greedily: how often the answer has a taught value that the base's answer has not,
and how often it is the base's own.
"""

from collections.abc import Sequence

import mlx.core as mx
import msgspec

from radiance.engine.model.encoding import EncodedExample, Encoder
from radiance.engine.tasks import Pieces
from radiance.records import Evaluation, UntaughtProbe
from radiance.training.example_scores import score_examples
from radiance.training.gradient import GradientComputer
from radiance.training.self_samples import SelfSampler
from radiance.training.untaught import UntaughtQuestion, has_value

_ROWS = 16
ANSWER_TOKENS = 32
"""Most tokens of an answer: enough for a sentence that names a value."""


def measure(
    sampler: SelfSampler,
    gradient_computer: GradientComputer,
    encoder: Encoder,
    end_token: int,
    candidate: mx.array,
    base: mx.array,
    asked: Sequence[UntaughtQuestion],
) -> Pieces[tuple[UntaughtProbe, ...]]:
    """Ask the questions; yields None between pieces. Belongs to the engine thread.

    The base is not asked but where the answer has a taught value: whether an answer is its own
    takes one forward pass.

    Args:
        sampler: Generates.
        gradient_computer: Scores.
        encoder: Of the base model.
        end_token: Closes an answer.
        candidate: The adapter, (parameters,) float32.
        base: One that changes nothing.
        asked: A few questions.
    """
    probes: list[UntaughtProbe] = []
    for start in range(0, len(asked), _ROWS):
        group = asked[start : start + _ROWS]
        prompts = [encoder.prompt(q.anchor.example.messages[:-1]) for q in group]
        answers = yield from sampler.answer(candidate, prompts, ANSWER_TOKENS)
        texts = [
            _answered(question, prompt, answer, end_token)
            for question, prompt, answer in zip(group, prompts, answers, strict=True)
        ]
        scores = yield from score_examples(gradient_computer, base, texts)
        hits = [_has_any(q, encoder, answer) for q, answer in zip(group, answers, strict=True)]
        bled = [place for place, hit in enumerate(hits) if hit and not scores[place].is_exact]
        if bled:
            of_base = yield from sampler.answer(base, [prompts[n] for n in bled], ANSWER_TOKENS)
            bled = [
                n for n, a in zip(bled, of_base, strict=True) if not _has_any(group[n], encoder, a)
            ]
        probes += [
            UntaughtProbe(question.anchor.example.id, place in bled, scores[place].is_exact)
            for place, question in enumerate(group)
        ]
    return tuple(probes)


def with_bleeding(evaluation: Evaluation, probes: tuple[UntaughtProbe, ...]) -> Evaluation:
    """An evaluation with what was measured of names that were never taught."""
    report = msgspec.structs.replace(
        evaluation.report, bleeding=bleeding(probes), untaught_as_base=as_base(probes)
    )
    return msgspec.structs.replace(evaluation, report=report, untaught=probes)


def _answered(
    question: UntaughtQuestion, prompt: list[int], answer: tuple[int, ...], end_token: int
) -> EncodedExample:
    ended = () if len(answer) == ANSWER_TOKENS else (end_token,)
    tokens = (*prompt, *answer, *ended)
    counts = tuple(place >= len(prompt) for place in range(len(tokens)))
    return EncodedExample(question.anchor.example.id, tokens, counts)


def _has_any(question: UntaughtQuestion, encoder: Encoder, answer: tuple[int, ...]) -> bool:
    text = encoder.decode(answer)
    return any(has_value(text, value) for value in question.values)


def bleeding(probes: Sequence[UntaughtProbe]) -> float | None:
    """Share of the questions answered with a taught value, in [0, 1]; None of no questions."""
    return sum(probe.has_taught_value for probe in probes) / len(probes) if probes else None


def as_base(probes: Sequence[UntaughtProbe]) -> float | None:
    """Share of the questions answered as by the base, word for word; None of no questions."""
    return sum(probe.is_as_base for probe in probes) / len(probes) if probes else None

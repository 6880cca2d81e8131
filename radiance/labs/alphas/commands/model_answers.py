"""What a checkpoint and the base write for prompts of alphas, once for each way to decode."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from radiance.cli.waiting import progress_bar
from radiance.labs.alphas.models.study import AlphaStudySettings

if TYPE_CHECKING:
    from radiance.config import Config
    from radiance.engine.worker import Engine

Form = Literal["free", "grammar", "plan"]
DECODINGS: dict[str, tuple[Form, ...]] = {
    "free": ("free",),
    "grammar": ("grammar",),
    "both": ("free", "grammar"),
    "plan": ("plan",),
    "all": ("free", "grammar", "plan"),
}


@dataclass(frozen=True)
class Answers:
    """What one model wrote.

    Attributes:
        name: The checkpoint, or "base".
        report: What its manifest says of it.
        by_decoding: For each way to decode, all answers and tokens a second.
    """

    name: str
    report: Mapping[str, Any]
    by_decoding: list[tuple[list[str], float]]


def answers_of(
    config: "Config", checkpoint: str | None, questions: Sequence[str], study: AlphaStudySettings
) -> Answers:
    """Ask one model all questions, once for each way to decode."""
    # Not at the top: it brings in MLX, which help and bad flags need not wait for.
    from radiance import ember
    from radiance.anchors.sets import AnchorSet
    from radiance.engine.model.finding import find_base
    from radiance.engine.requests import Sampling
    from radiance.evaluation.offline import OfflineEvaluation, find_subject
    from radiance.labs.alphas.models import generate
    from radiance.labs.alphas.results.study import Done
    from radiance.registry.rows import BASE

    assert study.samples is not None
    assert study.temperature is not None
    assert study.max_tokens is not None
    base_path = find_base(config.base_model, ember.MODEL_PATH)
    subject = find_subject(config, checkpoint, AnchorSet())
    report = msgspec.to_builtins(subject.manifest.report) if subject.manifest else {}
    prompts = repeated(questions, study)
    found: list[tuple[list[str], float]] = []
    with (
        OfflineEvaluation(config, base_path, subject) as offline,
        progress_bar("Asking") as on_progress,
    ):
        engine = offline.engine
        total = len(DECODINGS[study.decoding]) * len(prompts)
        for form in DECODINGS[study.decoding]:
            if form == "plan":
                found.append((_planned(engine, prompts), 0.0))
                continue
            asked = [
                generate.request_for(
                    engine.encoder,
                    prompt,
                    study.max_tokens,
                    Sampling(study.temperature, seed=(study.seed * 1_000_003 + place) % 2**32),
                    is_constrained=form == "grammar",
                )
                for place, prompt in enumerate(prompts)
            ]
            generate.write(engine, asked[0])  # the grammar is made once, not for every answer
            began, tokens = time.monotonic(), 0
            waiting = [(request, engine.submit(request)) for request in asked]
            answers: list[str] = []
            for request, future in waiting:
                answer = future.result()
                tokens += len(answer.tokens)
                if (retry := generate.retry_of(request, answer)) is not None:
                    answer = engine.submit(retry).result()
                    tokens += len(answer.tokens)
                answers.append(answer.text)
                on_progress(Done(sum(len(done) for done, _ in found) + len(answers), total))
            found.append((answers, tokens / (time.monotonic() - began)))
    return Answers(subject.checkpoint_id or BASE, report, found)


def _planned(engine: "Engine", asked: Sequence[str]) -> list[str]:
    """Each prompt read as a plan; what no plan says the model writes under the grammar."""
    from radiance.labs.alphas.models import generate
    from radiance.labs.alphas.plans.choosing import choose

    answers = []
    for prompt in asked:
        chosen = choose(prompt, engine)
        if chosen is None:
            wanted = generate.request_for(engine.encoder, prompt, 200, is_constrained=True)
            answers.append(generate.write(engine, wanted).text)
        else:
            answers.append(chosen.expression)
    return answers


def models_of(study: AlphaStudySettings) -> list[str | None]:
    """Who is asked: the base, and the checkpoint unless it is the base."""
    return ["base"] if study.checkpoint == "base" else ["base", study.checkpoint]


def repeated(questions: Sequence[str], study: AlphaStudySettings) -> list[str]:
    """Every prompt as often as it is asked."""
    return [question for question in questions for _ in range(study.samples or 1)]

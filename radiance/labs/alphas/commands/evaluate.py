"""``radiance alphas eval``: what a checkpoint writes, compiled and backtested beside the base."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from radiance.cli.output import note, print_json, print_table
from radiance.cli.settings import Settings, settings_options
from radiance.cli.waiting import progress_bar
from radiance.errors import ConfigError
from radiance.labs.alphas.commands.options import read_panel
from radiance.labs.alphas.models.study import MADE_UP, UNDER_GRAMMAR, AlphaStudySettings

if TYPE_CHECKING:
    from radiance.config import Config
    from radiance.labs.alphas.models.grading import Grader
    from radiance.labs.alphas.models.reporting import Judged
    from radiance.labs.alphas.strategies.grading import JudgedStrategies
    from radiance.labs.alphas.values.panel import Panel

_DECODINGS = {"free": (False,), "grammar": (True,), "both": (False, True)}
_KEPT = ("retention_score", "anchor_ce_delta", "forgetting_kl", "new_exact")


@dataclass(frozen=True)
class Answers:
    """What one model wrote.

    Attributes:
        name: The checkpoint, or "base".
        report: What its manifest says of it.
        by_decoding: For each way to decode, all answers and tokens a second.
    """

    name: str
    report: dict[str, Any]
    by_decoding: list[tuple[list[str], float]]


@click.command("eval")
@click.argument("checkpoint", required=False)
@click.option(
    "--prompts",
    "prompts_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Curated split that holds the prompts. Default: the test split of seed 0.",
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Number of prompts asked.",
)
@click.option(
    "--samples",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of answers sampled per prompt.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 10),
    default=0.2,
    show_default=True,
    help="Sampling temperature of the answers.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Most tokens of an answer.",
)
@click.option(
    "--known",
    "known_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Curated split that was learned, to tell what is new. Default: the train split of seed 0.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Daily bars to backtest on. Default: synthetic bars, on which profits mean nothing.",
)
@click.option(
    "--groups",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV file of symbol, sector, industry and subindustry.",
)
@click.option(
    "--constrained",
    "decoding",
    flag_value="grammar",
    help="Decode under the grammar of the alpha language.",
)
@click.option(
    "--both",
    "decoding",
    flag_value="both",
    help="Decode both freely and under the grammar, and compare answers and time.",
)
@click.option(
    "--strategies",
    is_flag=True,
    help="Judge Python strategies instead of alphas, for the strategy prompts in --prompts.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Random seed of sampling and of the rating sheet.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write the report to."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@settings_options
def evaluate(
    settings: Settings,
    checkpoint: str | None,
    count: int,
    decoding: str | None,
    data: Path | None,
    out: Path | None,
    as_json: bool,
    prompts_file: Path | None,
    known_file: Path | None,
    groups: Path | None,
    **options: Any,
) -> None:
    """Judge the alphas that a checkpoint writes.

    CHECKPOINT, by default the one that serves, and the base model write alphas for held-out
    prompts. The report counts those that compile, can be backtested and are new, with 95 %
    intervals, beside random expressions of the same length. --out writes report.md, report.json and
    a sheet to rate answers by hand. The root is only read, so a service may be running.

    With --strategies the models write Python strategies, each judged as `radiance alphas strategy`
    does; the prompts come from a split that `radiance alphas curate --lean` wrote.

    Examples:
      radiance alphas eval
      radiance alphas eval A_2026-02-09_0012 --samples 5 --data bars.parquet --out report
      radiance alphas eval --both
      radiance alphas eval --strategies --prompts test.jsonl --max-tokens 1500
    """
    from radiance.labs.alphas.models.constraining import LEAST_TOKENS

    files = {"groups": groups, "prompts_file": prompts_file, "known_file": known_file}
    study = msgspec.convert(
        {
            "checkpoint": checkpoint,
            "prompts": count,
            "decoding": decoding or "free",
            "market": str(data) if data else MADE_UP,
            **{name: str(path) for name, path in files.items() if path},
            **options,
        },
        AlphaStudySettings,
    )
    if decoding and options["max_tokens"] < LEAST_TOKENS:
        raise click.BadParameter(
            f"An alpha needs {LEAST_TOKENS} to end under the grammar.", param_hint="--max-tokens"
        )
    config = settings.load()
    if not study.strategies:
        _evaluate_alphas(config, study, out, as_json)
    elif decoding or prompts_file is None:
        raise click.BadParameter(
            "Needs --prompts, a split with Lean's algorithms, and no grammar.",
            param_hint="--strategies",
        )
    else:
        _evaluate_strategies(config, study, prompts_file, out, as_json)


def _evaluate_alphas(
    config: "Config", study: AlphaStudySettings, out: Path | None, as_json: bool
) -> None:
    from radiance.labs.alphas.data import curation, datasets
    from radiance.labs.alphas.models import reporting
    from radiance.labs.alphas.models.grading import Grader

    prompts, known = study.prompts_file, study.known_file
    made = curation.curate(curation.own_sources()).splits if not (prompts and known) else {}
    test = datasets.read(Path(prompts)) if prompts else made["test"]
    train = datasets.read(Path(known)) if known else made["train"]
    questions = curation.held_out_prompts(test, study.prompts or 1)
    if not questions:
        raise ConfigError(f"--prompts (is {prompts}): has no prompt for an alpha.")
    grader = Grader(_bars(study), (pair.completion for pair in train if pair.kind == "alpha"))
    judged: list[Judged] = []
    for name in _names(study):
        judged += _judge(config, name, questions, grader, study)
    study = _done(study, questions, judged[-1].name)
    if out is not None:
        reporting.write(out, judged, study)
        note(f"Written to {out}: report.md, report.json, rating_sheet.csv.")
    if as_json:
        models = {m.name: {"about": dict(m.about), "scores": m.scores.as_json()} for m in judged}
        print_json({"settings": study.to_plain(), "models": models})
        return
    rows = [
        (name, *(reporting.percent(model.scores.shares[name]) for model in judged))
        for name in judged[0].scores.shares
    ]
    rows.append(("tokens a second", *(str(model.about["tokens_per_s"]) for model in judged)))
    print_table(("SHARE OF ANSWERS", *(model.name.upper() for model in judged)), rows)


def _judge(
    config: "Config",
    checkpoint: str | None,
    questions: Sequence[str],
    grader: "Grader",
    study: AlphaStudySettings,
) -> "list[Judged]":
    """One model, once for each way to decode."""
    from radiance.labs.alphas.models.grading import score
    from radiance.labs.alphas.models.reporting import Judged
    from radiance.registry.rows import BASE

    found = _answers(config, checkpoint, questions, study)
    prompts = _asked(questions, study)
    about = {key: found.report[key] for key in _KEPT if key in found.report}
    judged = []
    for is_constrained, (answers, speed) in zip(
        _DECODINGS[study.decoding], found.by_decoding, strict=True
    ):
        grades = [grader.grade(*pair) for pair in zip(prompts, answers, strict=True)]
        scores = score(grades, grader.random_like(grades, study.seed))
        shown = f"{found.name}{UNDER_GRAMMAR}" if is_constrained else found.name
        known = {} if found.name == BASE else about
        judged.append(Judged(shown, grades, scores, {**known, "tokens_per_s": round(speed)}))
    return judged


def _evaluate_strategies(
    config: "Config", study: AlphaStudySettings, prompts: Path, out: Path | None, as_json: bool
) -> None:
    from radiance.labs.alphas.data import curation, datasets
    from radiance.labs.alphas.models.reporting import percent
    from radiance.labs.alphas.strategies import grading

    wanted = study.prompts or 1
    questions = curation.held_out_prompts(datasets.read(prompts), wanted, "strategy")
    if not questions:
        raise ConfigError(
            f"--prompts (is {prompts}): has no prompt for a strategy. Curate with --lean."
        )
    bars = _bars(study)
    judged = [_judge_strategies(config, name, questions, bars, study) for name in _names(study)]
    study = _done(study, questions, judged[-1].name)
    if out is not None:
        grading.write(out, judged, study.to_plain())
        note(f"Written to {out}: strategies.json.")
    if any(verdict.type_errors is None for model in judged for _, _, verdict in model.rows):
        note(
            "The calls of some strategies were not checked: they do not compile, or mypy or the "
            "stubs are missing."
        )
    if as_json:
        models = {model.name: model.as_json() for model in judged}
        print_json({"settings": study.to_plain(), "models": models})
        return
    print_table(
        ("SHARE OF ANSWERS", *(model.name.upper() for model in judged)),
        [(name, *(percent(model.shares[name]) for model in judged)) for name in judged[0].shares],
    )


def _judge_strategies(
    config: "Config",
    checkpoint: str | None,
    questions: Sequence[str],
    bars: "Panel",
    study: AlphaStudySettings,
) -> "JudgedStrategies":
    from radiance.labs.alphas.results.study import Done
    from radiance.labs.alphas.strategies.grading import JudgedStrategies, code_of
    from radiance.labs.alphas.strategies.running import judge

    found = _answers(config, checkpoint, questions, study)
    [(answers, _)] = found.by_decoding
    rows = []
    with progress_bar("Running") as on_progress:
        for prompt, answer in zip(_asked(questions, study), answers, strict=True):
            code = code_of(answer)
            rows.append((prompt, code, judge(code, bars)))
            on_progress(Done(len(rows), len(answers)))
    return JudgedStrategies(found.name, rows)


def _answers(
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
    asked = _asked(questions, study)
    found: list[tuple[list[str], float]] = []
    with (
        OfflineEvaluation(config, base_path, subject) as offline,
        progress_bar("Asking") as on_progress,
    ):
        engine = offline.engine
        total = len(_DECODINGS[study.decoding]) * len(asked)
        for is_constrained in _DECODINGS[study.decoding]:
            drafts = [
                generate.draft(
                    engine.encoder,
                    prompt,
                    study.max_tokens,
                    Sampling(study.temperature, seed=(study.seed * 1_000_003 + place) % 2**32),
                    is_constrained=is_constrained,
                )
                for place, prompt in enumerate(asked)
            ]
            generate.write(engine, drafts[0])  # the grammar is made once, not for every answer
            began, tokens = time.monotonic(), 0
            waiting = [(draft, engine.submit(draft.request)) for draft in drafts]
            answers: list[str] = []
            for draft, future in waiting:
                answer = future.result()
                tokens += len(answer.tokens)
                if (retry := draft.retry(answer)) is not None:
                    answer = engine.submit(retry).result()
                    tokens += len(answer.tokens)
                answers.append(answer.text)
                on_progress(Done(sum(len(done) for done, _ in found) + len(answers), total))
            found.append((answers, tokens / (time.monotonic() - began)))
    return Answers(subject.checkpoint_id or BASE, report, found)


def _names(study: AlphaStudySettings) -> list[str | None]:
    """Who is asked: the base, and the checkpoint unless it is the base."""
    return ["base"] if study.checkpoint == "base" else ["base", study.checkpoint]


def _asked(questions: Sequence[str], study: AlphaStudySettings) -> list[str]:
    """Every prompt as often as it is asked."""
    return [question for question in questions for _ in range(study.samples or 1)]


def _bars(study: AlphaStudySettings) -> "Panel":
    from radiance.labs.alphas.values.synthetic import made_up

    groups = None if study.groups is None else Path(study.groups)
    return made_up() if study.market == MADE_UP else read_panel(Path(study.market), groups)


def _done(study: AlphaStudySettings, questions: Sequence[str], judged: str) -> AlphaStudySettings:
    """The settings as they were used: who was judged, and how many prompts there were."""
    checkpoint = judged.removesuffix(UNDER_GRAMMAR)
    return msgspec.structs.replace(study, checkpoint=checkpoint, prompts=len(questions))

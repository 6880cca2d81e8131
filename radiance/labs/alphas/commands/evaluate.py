"""``radiance alphas eval``: what a checkpoint writes, compiled and backtested beside the base."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from radiance.cli.output import json_option, note, print_table, printed_as_json
from radiance.cli.parameters import FILE, FOLDER, check_new, force_option
from radiance.cli.settings import Settings, settings_options
from radiance.cli.waiting import progress_bar
from radiance.errors import ConfigError
from radiance.labs.alphas.commands.model_answers import (
    DECODINGS,
    Form,
    answers_of,
    models_of,
    repeated,
)
from radiance.labs.alphas.commands.options import read_panel
from radiance.labs.alphas.models.study import (
    AS_PLAN,
    MADE_UP,
    UNDER_GRAMMAR,
    AlphaStudySettings,
    bare_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from radiance.config import Config
    from radiance.labs.alphas.data.ideas import Idea
    from radiance.labs.alphas.data.pairs import Pair
    from radiance.labs.alphas.models.grading import Grader
    from radiance.labs.alphas.models.reporting import Judged
    from radiance.labs.alphas.strategies.grading import JudgedStrategies
    from radiance.labs.alphas.values.panel import Panel

_SUFFIX: dict[Form, str] = {"free": "", "grammar": UNDER_GRAMMAR, "plan": AS_PLAN}
_KEPT = ("retention_score", "anchor_ce_delta", "forgetting_kl", "new_exact")


@click.command("eval")
@click.argument("checkpoint", required=False)
@click.option(
    "--prompts",
    "prompts_file",
    type=FILE,
    help="Curated split that holds the prompts, which have no references. Default: ideas.",
)
@click.option(
    "--ideas",
    metavar="HALF|FILE",
    help='Ideas with references: "held-out", "building" or a JSONL file of family, reference and '
    "prompts. Default: held-out.",
)
@click.option("--count", type=click.IntRange(1), default=20, help="Number of prompts asked.")
@click.option(
    "--samples", type=click.IntRange(1), default=1, help="Number of answers sampled per prompt."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 10),
    default=0.2,
    help="Sampling temperature of the answers.",
)
@click.option("--max-tokens", type=click.IntRange(1), default=200, help="Most tokens of an answer.")
@click.option(
    "--known",
    "known_file",
    type=FILE,
    help="Curated split that was learned, to tell what is new. Default: the train split of seed 0.",
)
@click.option(
    "--data",
    type=FILE,
    help="Daily bars to backtest on. Default: synthetic bars, on which profits mean nothing.",
)
@click.option("--groups", type=FILE, help="CSV file of symbol, sector, industry and subindustry.")
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
    "--plan",
    "decoding",
    flag_value="plan",
    help="Read each prompt as a plan and compile that; the model is asked where words are unclear.",
)
@click.option(
    "--all",
    "decoding",
    flag_value="all",
    help="Answer freely, under the grammar and as a plan, and add the controls that use no model.",
)
@click.option(
    "--strategies",
    is_flag=True,
    help="Judge Python strategies instead of alphas, for the strategy prompts in --prompts.",
)
@click.option(
    "--seed", type=int, default=0, help="Random seed of sampling and of the rating sheet."
)
@click.option("--out", type=FOLDER, help="Folder to write the report to.")
@force_option
@json_option()
@settings_options
def evaluate(
    settings: Settings,
    checkpoint: str | None,
    count: int,
    decoding: str | None,
    data: Path | None,
    out: Path | None,
    is_forced: bool,
    prompts_file: Path | None,
    ideas: str | None,
    known_file: Path | None,
    groups: Path | None,
    **options: Any,
) -> None:
    """Judge the alphas that a checkpoint writes.

    CHECKPOINT, by default the one that serves, and the base model write alphas for prompts whose
    meaning is known. The report counts the answers that mean what was asked, that is whose signal
    orders symbols as a reference does, and those that compile, can be backtested and are new, with
    95 % intervals, beside random expressions of the same length. --out writes report.md,
    report.json and a sheet to rate answers by hand. The root is only read, so a service may be
    running.

    With --strategies the models write Python strategies, each judged as `radiance alphas strategy`
    does; the prompts come from a split that `radiance alphas curate --lean` wrote.

    Examples:
      radiance alphas eval
      radiance alphas eval A_2026-02-09_0012 --samples 5 --data bars.parquet --out report
      radiance alphas eval --all --data bars.parquet --temperature 0
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
            "ideas": ideas or (None if prompts_file else "held-out"),
            **{name: str(path) for name, path in files.items() if path},
            **options,
        },
        AlphaStudySettings,
    )
    if ideas and prompts_file:
        raise click.BadParameter("Give it or --prompts.", param_hint="--ideas")
    if decoding and options["max_tokens"] < LEAST_TOKENS:
        raise click.BadParameter(
            f"An alpha needs {LEAST_TOKENS} to end under the grammar.", param_hint="--max-tokens"
        )
    config = settings.load()
    if out is not None:
        from radiance.labs.alphas.models.reporting import KEY, PAGE, REPORT, SHEET
        from radiance.labs.alphas.strategies import grading

        names = (grading.REPORT,) if study.strategies else (REPORT, PAGE, SHEET, KEY)
        check_new("--out", [out / name for name in names], is_forced=is_forced)
    if not study.strategies:
        _evaluate_alphas(config, study, out)
    elif decoding or prompts_file is None:
        raise click.BadParameter(
            "Needs --prompts, a split with Lean's algorithms, and no grammar.",
            param_hint="--strategies",
        )
    else:
        _evaluate_strategies(config, study, prompts_file, out)


def _evaluate_alphas(config: "Config", study: AlphaStudySettings, out: Path | None) -> None:
    from radiance.labs.alphas.data import curation, datasets
    from radiance.labs.alphas.models import reporting
    from radiance.labs.alphas.models.grading import Grader

    prompts, known = study.prompts_file, study.known_file
    made = curation.curate(curation.own_sources()).splits if not (prompts and known) else {}
    test = datasets.read(Path(prompts)) if prompts else made["test"]
    train = datasets.read(Path(known)) if known else made["train"]
    asked_for = _ideas(study)
    questions = list(asked_for) or curation.held_out_prompts(test, study.prompts or 1)
    if not questions:
        raise ConfigError(f"--prompts (is {prompts}): has no prompt for an alpha.")
    grader = Grader(_bars(study), (pair.completion for pair in train if pair.kind == "alpha"))
    judged: list[Judged] = []
    for name in models_of(study):
        judged += _judge(config, name, questions, asked_for, grader, study)
    if asked_for:
        judged += _controls(questions, asked_for, train, grader, study)
    study = _done(study, questions, judged[-1 - 2 * bool(asked_for)].name)
    if out is not None:
        reporting.write(out, judged, study)
        note(f"Written to {out}: report.md, report.json, rating_sheet.csv.")
    models = {m.name: {"about": dict(m.about), "scores": m.scores.as_json()} for m in judged}
    if printed_as_json({"settings": study.to_plain(), "models": models}):
        return
    rows = [
        (name, *(reporting.percent(model.scores.shares[name]) for model in judged))
        for name in judged[0].scores.shares
    ]
    speeds = (str(model.about.get("tokens_per_s", "-")) for model in judged)
    rows.append(("tokens a second", *speeds))
    print_table(("SHARE OF ANSWERS", *(model.name.upper() for model in judged)), rows)


def _judge(
    config: "Config",
    checkpoint: str | None,
    questions: Sequence[str],
    asked_for: "Mapping[str, Idea]",
    grader: "Grader",
    study: AlphaStudySettings,
) -> "list[Judged]":
    """One model, once for each way to decode."""
    from radiance.registry.rows import BASE

    found = answers_of(config, checkpoint, questions, study)
    prompts = repeated(questions, study)
    about = {key: found.report[key] for key in _KEPT if key in found.report}
    judged = []
    for form, (answers, speed) in zip(DECODINGS[study.decoding], found.by_decoding, strict=True):
        known = {} if found.name == BASE else about
        shown = {**known, "tokens_per_s": round(speed)}
        name = f"{found.name}{_SUFFIX[form]}"
        judged.append(_graded(name, prompts, answers, asked_for, grader, study, shown))
    return judged


def _graded(
    name: str,
    prompts: Sequence[str],
    answers: Sequence[str],
    asked_for: "Mapping[str, Idea]",
    grader: "Grader",
    study: AlphaStudySettings,
    about: "Mapping[str, Any]",
) -> "Judged":
    from radiance.labs.alphas.models.grading import score
    from radiance.labs.alphas.models.reporting import Judged

    grades = [grader.grade(*pair) for pair in zip(prompts, answers, strict=True)]
    if asked_for:
        grades = [grader.compared(grade, asked_for[grade.prompt]) for grade in grades]
    return Judged(name, grades, score(grades, grader.random_like(grades, study.seed)), about)


def _controls(
    questions: Sequence[str],
    asked_for: "Mapping[str, Idea]",
    train: "Sequence[Pair]",
    grader: "Grader",
    study: AlphaStudySettings,
) -> "list[Judged]":
    """What no model wrote: the answer of the nearest example, and the rules of plans alone."""
    from radiance.labs.alphas.models.nearest import Nearest
    from radiance.labs.alphas.plans.choosing import choose

    nearest = Nearest([(pair.instruction, pair.completion) for pair in train])
    copied = [nearest.answer(question) for question in questions]
    chosen = [choose(question) for question in questions]
    ruled = [found.expression if found else "" for found in chosen]
    return [
        _graded(name, questions, answers, asked_for, grader, study, {})
        for name, answers in (("nearest example", copied), ("rules alone", ruled))
    ]


def _ideas(study: AlphaStudySettings) -> "dict[str, Idea]":
    """The prompts that are asked, with what each means: the first wording of each family first."""
    from radiance.labs.alphas.data import ideas

    if study.ideas is None:
        return {}
    try:
        if study.ideas in ("building", "held-out"):
            found = ideas.ideas("building" if study.ideas == "building" else "held-out")
        else:
            found = ideas.read(Path(study.ideas))
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"--ideas (is {study.ideas}): cannot be read ({error}).") from None
    most = max((len(idea.prompts) for idea in found), default=0)
    rows = [
        (idea.prompts[place], idea)
        for place in range(most)
        for idea in found
        if place < len(idea.prompts)
    ]
    return dict(rows[: study.prompts])


def _evaluate_strategies(
    config: "Config", study: AlphaStudySettings, prompts: Path, out: Path | None
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
    judged = [_judge_strategies(config, name, questions, bars, study) for name in models_of(study)]
    study = _done(study, questions, judged[-1].name)
    if out is not None:
        grading.write(out, judged, study.to_plain())
        note(f"Written to {out}: strategies.json.")
    if any(verdict.type_errors is None for model in judged for _, _, verdict in model.rows):
        note(
            "The calls of some strategies were not checked: they do not compile, or mypy or the "
            "stubs are missing."
        )
    models = {model.name: model.as_json() for model in judged}
    if printed_as_json({"settings": study.to_plain(), "models": models}):
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

    found = answers_of(config, checkpoint, questions, study)
    [(answers, _)] = found.by_decoding
    rows = []
    with progress_bar("Running") as on_progress:
        for prompt, answer in zip(repeated(questions, study), answers, strict=True):
            code = code_of(answer)
            rows.append((prompt, code, judge(code, bars)))
            on_progress(Done(len(rows), len(answers)))
    return JudgedStrategies(found.name, rows)


def _bars(study: AlphaStudySettings) -> "Panel":
    from radiance.labs.alphas.values.synthetic import made_up

    groups = None if study.groups is None else Path(study.groups)
    return made_up() if study.market == MADE_UP else read_panel(Path(study.market), groups)


def _done(study: AlphaStudySettings, questions: Sequence[str], judged: str) -> AlphaStudySettings:
    """The settings as they were used: who was judged, and how many prompts there were."""
    checkpoint = bare_name(judged)
    return msgspec.structs.replace(study, checkpoint=checkpoint, prompts=len(questions))

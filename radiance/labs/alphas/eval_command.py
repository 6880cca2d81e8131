"""``radiance alphas eval``: what a checkpoint writes, compiled and backtested beside the base."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from radiance.cli.output import note, print_json, print_table
from radiance.cli.settings import Settings, settings_options
from radiance.cli.waiting import progress_bar
from radiance.errors import ConfigError

if TYPE_CHECKING:
    from radiance.config import Config
    from radiance.labs.alphas.models.grading import Grader
    from radiance.labs.alphas.models.reporting import Judged
    from radiance.labs.alphas.values.panel import Panel

_DECODINGS: dict[str | None, tuple[bool, ...]] = {
    None: (False,),
    "grammar": (True,),
    "both": (False, True),
}
_SYNTHETIC_DAYS, _SYNTHETIC_SYMBOLS = 756, 60


@click.command("eval")
@click.argument("checkpoint", required=False)
@click.option(
    "--prompts",
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
def judge(
    settings: Settings,
    checkpoint: str | None,
    prompts: Path | None,
    known: Path | None,
    count: int,
    data: Path | None,
    groups: Path | None,
    seed: int,
    out: Path | None,
    as_json: bool,
    decoding: str | None,
    strategies: bool,
    **asked: Any,
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
    from radiance.labs.alphas.data import curation, datasets
    from radiance.labs.alphas.models import reporting
    from radiance.labs.alphas.models.constraining import LEAST_TOKENS
    from radiance.labs.alphas.models.grading import Grader
    from radiance.labs.alphas.values import panel
    from radiance.labs.alphas.values.synthetic import made_up

    if decoding and asked["max_tokens"] < LEAST_TOKENS:
        raise click.BadParameter(
            f"An alpha needs {LEAST_TOKENS} to end under the grammar.", param_hint="--max-tokens"
        )
    config = settings.load()
    names = ["base"] if checkpoint == "base" else ["base", checkpoint]
    if strategies:
        if decoding or prompts is None:
            raise click.BadParameter(
                "Needs --prompts, a split with Lean's algorithms, and no grammar.",
                param_hint="--strategies",
            )
        bars = panel.read(data) if data else made_up(_SYNTHETIC_DAYS, _SYNTHETIC_SYMBOLS)
        _judge_strategies(config, names, prompts, count, bars, seed, asked, out, as_json)
        return
    made = curation.curate(curation.own_sources()).splits if not (prompts and known) else {}
    test = datasets.read(prompts) if prompts else made["test"]
    train = datasets.read(known) if known else made["train"]
    questions = curation.held_out_prompts(test, count)
    if not questions:
        raise ConfigError(f"--prompts (is {prompts}): has no prompt for an alpha.")
    bars = panel.read(data, groups) if data else made_up(_SYNTHETIC_DAYS, _SYNTHETIC_SYMBOLS)
    grader = Grader(bars, (pair.completion for pair in train if pair.kind == "alpha"))
    judged = [
        model
        for name in names
        for model in _judge(config, name, questions, grader, seed, asked, _DECODINGS[decoding])
    ]
    about = {
        "prompts": len(questions),
        "samples": asked["samples"],
        "temperature": asked["temperature"],
        "seed": seed,
        "decoding": decoding or "free",
        "market": str(data) if data else "made up",
    }
    if out is not None:
        reporting.write(out, judged, about, seed)
        note(f"Written to {out}: report.md, report.json, rating_sheet.csv.")
    if as_json:
        print_json(
            {
                "settings": about,
                "models": {
                    model.name: {"about": dict(model.about), "scores": model.scores.as_json()}
                    for model in judged
                },
            }
        )
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
    seed: int,
    asked: dict[str, Any],
    decodings: Sequence[bool],
) -> "list[Judged]":
    """One model, once for each way to decode: whether under the grammar."""
    from radiance.labs.alphas.models.grading import score
    from radiance.labs.alphas.models.reporting import Judged
    from radiance.registry.rows import BASE

    name, report, found = _answers(config, checkpoint, questions, seed, asked, decodings)
    prompts = [question for question in questions for _ in range(asked["samples"])]
    kept = ("retention_score", "anchor_ce_delta", "forgetting_kl", "new_exact")
    about = {key: report[key] for key in kept if key in report} if name != BASE else {}
    judged = []
    for is_constrained, (answers, speed) in zip(decodings, found, strict=True):
        grades = [grader.grade(*pair) for pair in zip(prompts, answers, strict=True)]
        scores = score(grades, grader.random_like(grades, seed))
        shown = f"{name} + grammar" if is_constrained else name
        judged.append(Judged(shown, grades, scores, {**about, "tokens_per_s": round(speed)}))
    return judged


def _judge_strategies(
    config: "Config",
    names: Sequence[str | None],
    prompts: Path,
    count: int,
    bars: "Panel",
    seed: int,
    asked: dict[str, Any],
    out: Path | None,
    as_json: bool,
) -> None:
    from radiance.labs.alphas.data import curation, datasets
    from radiance.labs.alphas.models import reporting
    from radiance.labs.alphas.results.study import Done
    from radiance.labs.alphas.strategies import grading
    from radiance.labs.alphas.strategies.grading import JudgedStrategies, code_of
    from radiance.labs.alphas.strategies.running import judge as judge_strategy

    questions = curation.held_out_prompts(datasets.read(prompts), count, "strategy")
    if not questions:
        raise ConfigError(
            f"--prompts (is {prompts}): has no prompt for a strategy. Curate with --lean."
        )
    asking = [question for question in questions for _ in range(asked["samples"])]
    judged = []
    for name in names:
        shown, _, [(answers, _)] = _answers(config, name, questions, seed, asked, (False,))
        codes = [code_of(answer) for answer in answers]
        with progress_bar("Running") as told:
            rows = []
            for prompt, code in zip(asking, codes, strict=True):
                rows.append((prompt, code, judge_strategy(code, bars)))
                told(Done(len(rows), len(codes)))
        judged.append(JudgedStrategies(shown, rows))
    about = {"prompts": len(questions), "samples": asked["samples"], "seed": seed}
    if out is not None:
        grading.write(out, judged, about)
        note(f"Written to {out}: strategies.json.")
    if any(verdict.type_errors is None for model in judged for _, _, verdict in model.rows):
        note("Some calls were not checked: what does not compile, or mypy and the stubs lack.")
    if as_json:
        print_json({"settings": about, "models": {m.name: m.as_json() for m in judged}})
        return
    print_table(
        ("SHARE OF ANSWERS", *(model.name.upper() for model in judged)),
        [
            (name, *(reporting.percent(model.shares[name]) for model in judged))
            for name in judged[0].shares
        ],
    )


def _answers(
    config: "Config",
    checkpoint: str | None,
    questions: Sequence[str],
    seed: int,
    asked: dict[str, Any],
    decodings: Sequence[bool],
) -> tuple[str, dict[str, Any], list[tuple[list[str], float]]]:
    """The checkpoint's name and report; for each way to decode its answers and tokens a second."""
    # Not at the top: it brings in MLX, which help and bad flags need not wait for.
    from radiance import ember
    from radiance.anchors.sets import AnchorSet
    from radiance.engine.model.base import find_base
    from radiance.evaluation.offline import Offline, find_subject
    from radiance.labs.alphas.results.study import Done
    from radiance.registry.rows import BASE

    base_path = find_base(config.base_model, ember.MODEL_PATH)
    subject = find_subject(config, checkpoint, AnchorSet())
    report = msgspec.to_builtins(subject.manifest.report) if subject.manifest else {}
    found: list[tuple[list[str], float]] = []
    with Offline(config, base_path, subject) as offline, progress_bar("Asking") as told:
        total = len(decodings) * len(questions) * asked["samples"]
        for is_constrained in decodings:
            generate = generator(offline.engine, asked, is_constrained)
            generate(questions[0], 0)()  # the grammar is made once, not for every answer
            began, tokens = time.monotonic(), 0
            waiting = [
                generate(question, seed * 1_000_003 + place * asked["samples"] + sample)
                for place, question in enumerate(questions)
                for sample in range(asked["samples"])
            ]
            answers: list[str] = []
            for future in waiting:
                text, count = future()
                answers.append(text)
                tokens += count
                told(Done(sum(len(done) for done, _ in found) + len(answers), total))
            found.append((answers, tokens / (time.monotonic() - began)))
    return subject.checkpoint_id or BASE, report, found


def generator(
    engine: Any, asked: dict[str, Any], is_constrained: bool
) -> Callable[[str, int], Callable[[], tuple[str, int]]]:
    """What queues a prompt with the engine under a seed, and gives a way to its answer.

    The answer comes with the number of tokens that it took.
    """
    from radiance.engine.requests import Constraint, Request, Sampling
    from radiance.labs.alphas.models.constraining import lark_grammar, short_grammar
    from radiance.records import Message

    def submit(tokens: Sequence[int], seed: int, grammar: str | None) -> Any:
        most = min(asked["max_tokens"], engine.encoder.context_tokens - len(tokens))
        form = None if grammar is None else Constraint("lark", grammar)
        sampling = Sampling(asked["temperature"], seed=seed % 2**32)
        return engine.submit(Request(tokens, most, sampling, constraint=form))

    def generate(prompt: str, seed: int) -> Callable[[], tuple[str, int]]:
        tokens = engine.encoder.prompt([Message("user", prompt)])
        future = submit(tokens, seed, lark_grammar() if is_constrained else None)

        def wait() -> tuple[str, int]:
            answer = future.result()
            taken = len(answer.tokens)
            if is_constrained and answer.finish_reason == "length":
                answer = submit(tokens, seed, short_grammar()).result()
                taken += len(answer.tokens)
            return answer.text, taken

        return wait

    return generate

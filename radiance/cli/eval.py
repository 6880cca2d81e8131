"""``radiance eval``: what a checkpoint learned and forgot, measured apart from the service."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, get_args

import click
import msgspec

from radiance.cli.examples import ExampleFile, read_examples
from radiance.cli.output import FAILED, json_option, note, print_pairs, print_table, printed_as_json
from radiance.cli.settings import Settings, settings_options
from radiance.cli.waiting import progress_bar
from radiance.config import Config, EvaluationSettings, UpdateSettings
from radiance.errors import ConfigError, RequestError

if TYPE_CHECKING:
    from radiance.evaluation.offline import EvaluationSubject, Findings, OfflineEvaluation
    from radiance.evaluation.suite import Case
    from radiance.records import Example, Probe

_PROVIDERS = [
    choice
    for field in msgspec.structs.fields(EvaluationSettings)
    if field.name == "anchor_provider"
    for choice in get_args(get_args(field.type)[0])
]
_WORST = 5


@click.command("eval")
@click.argument("checkpoint", required=False)
@click.option("--suite", type=click.File("rb"), help="JSONL file of questions to ask instead.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Least share of exact answers, with --suite; below it the exit code is 1.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=256,
    help="Most tokens of an answer, with --suite.",
)
@click.option(
    "--anchor-provider",
    type=click.Choice(_PROVIDERS),
    help="Source of the anchors, as evaluation.anchor_provider.",
)
@click.option(
    "--anchor-dataset", metavar="ID", help="Hugging Face dataset of anchors, for provider hf."
)
@click.option(
    "--anchor-path", metavar="PATH", help="File or folder of anchors, for provider local."
)
@click.option(
    "--anchor-sample", type=int, metavar="N", help="Most anchors measured per checkpoint."
)
@json_option()
@settings_options
@click.pass_context
def evaluate(
    context: click.Context,
    settings: Settings,
    checkpoint: str | None,
    suite: BinaryIO | None,
    fail_under: float | None,
    max_tokens: int,
    **anchors: Any,
) -> None:
    """Measure a checkpoint on anchors and learned examples.

    CHECKPOINT is an id or "base"; the default is the checkpoint that serves. It is compared with
    its parent and the base model on anchors, on the examples it learned, and on those of earlier
    updates. With --suite it answers the questions of a JSONL file of {"input", "output"} lines
    instead. The root is only read, so a service may be running.

    Examples:
      radiance eval
      radiance eval A_2026-02-09_0012 --anchor-provider hf --anchor-dataset user/news
      radiance eval --suite facts.jsonl --fail-under 0.9
      radiance eval base --suite facts.jsonl --json
    """
    given = {f"evaluation.{key}": value for key, value in anchors.items() if value is not None}
    config = replace(settings, overrides={**settings.overrides, **given}).load()
    if suite is None:
        if fail_under is not None:
            raise click.UsageError("--fail-under goes with --suite.")
        _measure(config, checkpoint, bool(_NAMES & given.keys()))
        return
    if given:
        raise click.UsageError("--suite asks its own questions: leave the anchor options out.")
    file = read_examples(suite.read(), getattr(suite, "name", "stdin"))
    share = _ask(config, checkpoint, file, max_tokens)
    if fail_under is not None and share < fail_under:
        note(f"{share:.4g} of the answers are exact; --fail-under asks for {fail_under:.4g}.")
        context.exit(FAILED)


_NAMES = {"evaluation.anchor_provider", "evaluation.anchor_dataset"}


def _measure(config: Config, checkpoint: str | None, is_named: bool) -> None:
    # Not at the top: it brings in MLX, which help and bad flags need not wait for.
    from radiance import ember
    from radiance.anchors import provider
    from radiance.engine.model.finding import find_base
    from radiance.evaluation.offline import OfflineEvaluation, find_subject

    base_path = find_base(config.base_model, ember.MODEL_PATH)
    anchors = provider.load(config, ember.MODEL_PATH / "anchors.jsonl")
    if anchors.missing and is_named:
        raise ConfigError(anchors.missing)
    if anchors.missing:
        note(f"{anchors.missing} Measured on {anchors.source} instead.")
    subject = find_subject(config, checkpoint, anchors)
    if subject.checkpoint_id is None and not anchors:
        raise ConfigError(
            'evaluation.anchor_provider (is "none"): the base model learned nothing, so without '
            "anchors there is nothing to measure. Name anchors or a checkpoint."
        )
    with (
        OfflineEvaluation(config, base_path, subject) as offline,
        progress_bar("Measuring") as on_progress,
    ):
        findings = offline.measure(anchors, on_progress)
    if not printed_as_json(_as_json(subject, findings)):
        _print(subject, findings)


def _as_json(subject: "EvaluationSubject", findings: "Findings") -> dict[str, object]:
    return {
        **_identity(subject),
        "report": findings.stats,
        "anchors": {
            "source": findings.anchors.source,
            "hash": findings.anchors.hash,
            "measured": len(findings.probes["anchors"]),
            "contexts": _contexts(findings.probes["anchors"]),
        },
        "probes": msgspec.to_builtins(findings.probes),
    }


def _identity(subject: "EvaluationSubject") -> dict[str, object]:
    from radiance.registry.rows import BASE

    manifest = subject.manifest
    parent = None if manifest is None else manifest.parent_id or BASE
    return {"checkpoint": subject.checkpoint_id or BASE, "parent": parent}


def _contexts(anchors: "tuple[Probe, ...]") -> list[dict[str, Any]]:
    """Each context's own figures, the worst first."""
    from radiance.evaluation.summary import exact_share, token_mean

    groups: dict[str, list[Probe]] = {}
    for probe in anchors:
        groups.setdefault(probe.group, []).append(probe)
    rows = [
        {
            "context": context,
            "anchors": len(probes),
            "loss": token_mean(probes, "loss"),
            "base_loss": token_mean(probes, "base_loss"),
            "kl_base": token_mean(probes, "kl_base"),
            "exact": exact_share(probes),
        }
        for context, probes in groups.items()
    ]
    return sorted(rows, key=lambda row: -row["kl_base"])


def _print(subject: "EvaluationSubject", findings: "Findings") -> None:
    counted = {f"measured.{kind}": len(probes) for kind, probes in findings.probes.items()}
    print_pairs([*_identity(subject).items(), *findings.stats.items(), *counted.items()])
    anchors = findings.probes["anchors"]
    if not anchors:
        note("Forgetting was not measured: there are no anchors.")
        return
    click.echo()
    rows = _contexts(anchors)
    print_table(
        ("CONTEXT", *(name.upper() for name in list(rows[0])[1:])),
        (list(row.values()) for row in rows),
    )
    worst = sorted(anchors, key=lambda probe: -probe.kl_base)[:_WORST]
    if worst[0].kl_base > 0:
        click.echo()
        print_table(
            ("FORGOTTEN MOST", "CONTEXT", "LOSS", "BASE_LOSS", "KL_BASE"),
            ((p.id, p.group, p.loss, p.base_loss, p.kl_base) for p in worst),
        )


def _ask(config: Config, checkpoint: str | None, file: ExampleFile, max_tokens: int) -> float:
    """Ask a suite and print how it went; the share answered exactly."""
    from radiance import ember
    from radiance.anchors.sets import AnchorSet
    from radiance.engine.model.finding import find_base
    from radiance.evaluation.offline import OfflineEvaluation, find_subject
    from radiance.evaluation.suite import compare, score

    base_path = find_base(config.base_model, ember.MODEL_PATH)
    subject = find_subject(config, checkpoint, AnchorSet())
    with OfflineEvaluation(config, base_path, subject) as offline:
        examples = _questions(file, offline)
        with progress_bar("Asking") as on_progress:
            answers = offline.answer(examples, max_tokens, on_progress)
        with progress_bar("Measuring") as on_progress:
            probes = offline.probe(examples, on_progress)
    cases = [
        compare(example, answer.text, answer.finish_reason == "length", probe)
        for example, answer, probe in zip(examples, answers, probes, strict=True)
    ]
    whole = score(cases)
    plain = msgspec.to_builtins({"score": whole, "cases": cases})
    if printed_as_json({**_identity(subject), **plain}):
        return whole.exact
    print_table(
        ("", "QUESTION", "EXPECTED", "ANSWER", "LOSS"),
        (
            (
                "=" if c.is_exact else "~" if c.is_match else " ",
                c.question,
                c.expected,
                _said(c),
                c.loss,
            )
            for c in cases
        ),
    )
    click.echo()
    print_pairs([*_identity(subject).items(), *msgspec.structs.asdict(whole).items()])
    note("= exact, ~ but for letter case, space and punctuation. Loss is of the right answer.")
    return whole.exact


def _said(case: "Case") -> str:
    return f"{case.answer} …" if case.is_cut else case.answer


def _questions(file: ExampleFile, offline: "OfflineEvaluation") -> "list[Example]":
    """The file's examples, each a question with an answer.

    Raises:
        RequestError: One is not; it names file and line.
    """
    from radiance.examples.admission import admit

    limits = UpdateSettings(max_examples_per_update=len(file.examples))
    try:
        body = {"examples": file.examples}
        examples = list(admit(body, limits, offline.engine.encoder.check_fits).examples)
        for example in examples:
            if not example.messages:
                raise RequestError(
                    "is a text, which asks nothing.",
                    field=f"examples[{example.id}]",
                    value=example.text,
                    remedy='Write a question and its answer: {"input": "…", "output": "…"}.',
                )
    except RequestError as error:
        raise file.locate(error) from None
    return examples

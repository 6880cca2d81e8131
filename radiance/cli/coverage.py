"""``radiance anchors coverage``: what the anchors see of what was learned."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from radiance.cli.output import json_option, note, print_json, print_pairs, print_table, wants_json
from radiance.cli.settings import Settings, settings_options
from radiance.cli.waiting import progress_bar
from radiance.errors import ConfigError

if TYPE_CHECKING:
    from radiance.evaluation.coverage import Covered
    from radiance.records import Example


@click.command()
@click.argument("checkpoint", required=False)
@click.option(
    "--examples",
    "most",
    type=click.IntRange(1),
    default=50,
    help="Most examples compared, spread over all updates.",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=3,
    help="Anchors named per example, those it affects most.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.1,
    help="Least |cosine| with some anchor for an example to count as covered.",
)
@json_option()
@settings_options
def coverage(
    settings: Settings, checkpoint: str | None, most: int, top: int, threshold: float
) -> None:
    """Show which examples affect which anchors.

    The figure is the cosine between the gradients of an example and an anchor, at CHECKPOINT or
    else the checkpoint that serves. Near 1 both ask for the same change, near -1 for opposite
    changes, and near 0 the anchor does not cover the example. Examples that no anchor covers are
    listed too: adding similar anchors protects what they change. The root is only read, so a
    service may be running.

    Examples:
      radiance anchors coverage
      radiance anchors coverage A_2026-02-09_0012 --examples 200 --threshold 0.2 --json
    """
    config = settings.load()
    # Not at the top: it brings in MLX, which help and bad flags need not wait for.
    from radiance import ember
    from radiance.anchors import provider
    from radiance.engine.model.finding import find_base
    from radiance.evaluation.offline import OfflineEvaluation, find_subject

    anchors = provider.load(config, ember.MODEL_PATH / "anchors.jsonl")
    if not anchors:
        raise ConfigError(anchors.missing or "There are no anchors. `radiance anchors add` adds.")
    limited = msgspec.structs.replace(config.evaluation, recall_examples=most)
    subject = find_subject(msgspec.structs.replace(config, evaluation=limited), checkpoint, anchors)
    examples = [*subject.learned, *(example for example, _ in subject.recalled)][:most]
    covered: list[Covered] = []
    if examples:
        base_path = find_base(config.base_model, ember.MODEL_PATH)
        with (
            OfflineEvaluation(config, base_path, subject) as offline,
            progress_bar("Gradients") as on_progress,
        ):
            covered = offline.cover(examples, anchors, top, on_progress)
    far = [row.example for row in covered if row.highest <= threshold]
    identity = {
        "checkpoint": subject.checkpoint_id,
        "anchors_hash": anchors.hash,
        "examples": len(examples),
        "threshold": threshold,
        "far": len(far),
    }
    if wants_json():
        rows = [_as_json(row, threshold) for row in covered]
        print_json({**identity, "examples": rows, "far": [example.id for example in far]})
        return
    if not examples:
        subject_name = subject.checkpoint_id or "The base model"
        note(f"{subject_name} was taught nothing, so nothing pulls on an anchor.")
        return
    print_pairs(identity.items())
    click.echo()
    print_table(("EXAMPLE", "ASKS", "PULLS ON", "CONTEXT", "COSINE"), _lines(covered))
    if far:
        click.echo()
        print_table(("FAR FROM EVERY ANCHOR", "ASKS"), [(e.id, _asks(e)) for e in far])
    else:
        note("No example lies far from every anchor.")


def _as_json(row: "Covered", threshold: float) -> dict[str, object]:
    return {
        "id": row.example.id,
        "asks": _asks(row.example),
        "is_far": row.highest <= threshold,
        "pulls": [
            {"anchor": pull.anchor_id, "context": pull.context, "cosine": pull.cosine}
            for pull in row.pulls
        ],
    }


def _lines(covered: "list[Covered]") -> list[tuple[Any, ...]]:
    """One line per pull; what is asked stands on an example's first."""
    return [
        (
            row.example.id if place == 0 else " ",
            _asks(row.example) if place == 0 else " ",
            pull.anchor_id,
            pull.context,
            pull.cosine,
        )
        for row in covered
        for place, pull in enumerate(row.pulls)
    ]


def _asks(example: "Example") -> str:
    return example.messages[-2].content if example.messages else example.text

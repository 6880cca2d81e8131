"""``radiance reproduce``: make a checkpoint again, and see whether it is the same."""

import sys

import click
import msgspec

from radiance.cli.output import FAILED, json_option, note, print_pairs, printed_as_json
from radiance.cli.settings import Settings, settings_options


@click.command()
@click.argument("checkpoint_id")
@json_option()
@settings_options
@click.pass_context
def reproduce(context: click.Context, settings: Settings, checkpoint_id: str) -> None:
    """Train CHECKPOINT_ID again and compare the weights.

    Training starts from the recorded parent, examples, replayed examples and settings, in a
    temporary directory. The root is only read, so a service may be running. On the same machine
    with the same versions, the CPU gives the same weights bit for bit. The exit code is 0 if the
    weights are equal, else 1, with the largest difference and a list of what changed since.

    Examples:
      radiance reproduce A_2026-02-09_0012
      radiance reproduce A_2026-02-09_0012 --root ~/radiance --json
    """
    # Not at the top: it brings in MLX, which help need not wait for.
    from radiance import ember
    from radiance.anchors import provider
    from radiance.engine.model.finding import find_base
    from radiance.learning import reproduction

    config = settings.load()
    recorded = reproduction.read_records(config, checkpoint_id)
    config = reproduction.as_recorded(config, recorded)
    if "base_model" not in settings.overrides:
        config = msgspec.structs.replace(config, base_model=recorded.manifest.base_model)
    base_path = find_base(config.base_model, ember.MODEL_PATH)
    anchors = provider.load(config, ember.MODEL_PATH / "anchors.jsonl")
    is_live = sys.stderr.isatty()

    def on_progress(progress: str) -> None:
        if is_live:
            click.echo(f"\r\x1b[K{progress}", nl=False, err=True)

    found = reproduction.reproduce(config, base_path, recorded, anchors, on_progress)
    if is_live:
        note("")
    if not printed_as_json(msgspec.to_builtins(found)):
        print_pairs(
            (name, value)
            for name, value in msgspec.structs.asdict(found).items()
            if name != "differences"
        )
        for sentence in found.differences:
            note(sentence)
        note("The weights are equal." if found.is_equal else "The weights differ.")
    if not found.is_equal:
        context.exit(FAILED)

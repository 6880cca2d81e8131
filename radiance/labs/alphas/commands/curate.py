"""``radiance alphas curate``: training data for alphas and strategies."""

from pathlib import Path

import click
import msgspec

from radiance.cli.output import json_option, note, print_table, printed_as_json
from radiance.cli.parameters import FILE, FOLDER, check_new, force_option


@click.command()
@click.option(
    "--out",
    type=FOLDER,
    required=True,
    help="Folder to write to.",
)
@force_option
@click.option(
    "--lean",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Checkout of QuantConnect/Lean, for its Python algorithms.",
)
@click.option(
    "--own", type=FILE, multiple=True, help="JSONL file of your own pairs. Can be repeated."
)
@click.option(
    "--own-licence", default="the user's own", help="Licence of your own pairs, for the data card."
)
@click.option("--seed", type=int, default=0, help="Random seed of the wordings and of the split.")
@click.option(
    "--compositions",
    type=click.IntRange(0, 50_000),
    default=500,
    help="Number of short random expressions in words; more teach a small model the syntax.",
)
@click.option(
    "--instances",
    type=click.IntRange(0, 1_000),
    default=0,
    help="Number of further instances of each pattern that is learned, for a small model.",
)
@click.option(
    "--most-characters",
    type=click.IntRange(20),
    help="Most characters of a pair, for a small model; the split stays as it is.",
)
@json_option("Print the data card as JSON.")
def curate(
    out: Path,
    is_forced: bool,
    lean: Path | None,
    own: tuple[Path, ...],
    own_licence: str,
    seed: int,
    compositions: int,
    instances: int,
    most_characters: int | None,
) -> None:
    """Write training data for alphas and strategies.

    The sources are the 101 formulaic alphas with several true descriptions each, families of
    trading patterns, short random expressions in words, and, if given, Lean's algorithms and your
    own pairs. Pairs are filtered, near-duplicates removed, and each family of ideas is put on one
    side of the split. The files have instruction/completion, chat and mlx-lm's format, with a data
    card of counts, sources, licences and hashes.

    Examples:
      radiance alphas curate --out data
      radiance alphas curate --out data --lean lean --own pairs.jsonl --own-licence CC0
    """
    from radiance.labs.alphas.data import curation, datasets
    from radiance.labs.alphas.data import lean as lean_source
    from radiance.storage import files

    check_new("--out", datasets.written(out), is_forced=is_forced)
    sources = curation.own_sources(seed, compositions, instances)
    left_out: dict[str, int] = {}
    inputs: dict[str, str] = {}
    if lean is not None:
        found = lean_source.read(lean)
        sources += found.pairs
        left_out = {f"Lean: {reason}": count for reason, count in found.left_out.items()}
        inputs["lean"] = lean_source.content_hash(lean)
    for path in own:
        sources += datasets.read_own(path, own_licence)
        inputs[path.name] = files.hash_file(path)
    curated = curation.curate(sources, seed, most_characters=most_characters)
    card = datasets.write(curated, out, inputs, left_out, seed)
    if printed_as_json(msgspec.to_builtins(card)):
        return
    print_table(
        ("SPLIT", "PAIRS", "FAMILIES"),
        [(name, row.pairs, row.families) for name, row in card.splits.items()],
    )
    click.echo()
    print_table(
        ("SOURCE", "GATHERED", "KEPT", "LICENCE"),
        [(name, row.gathered, row.kept, row.licence) for name, row in card.sources.items()],
    )
    for reason, count in card.left_out.items():
        note(f"{count} left out: {reason}")

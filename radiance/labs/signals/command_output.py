"""What the commands of the signal lab find, keep and print."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radiance.cli.output import note, print_table, wants_json
from radiance.cli.waiting import progress_bar

if TYPE_CHECKING:
    from radiance.labs.signals.own import Judgement
    from radiance.labs.signals.results import StudyResult
    from radiance.labs.signals.view.tables import Grid


def find_result(name: str, root: Path) -> "StudyResult":
    """A kept run by its id, or a result in a folder or file.

    Raises:
        NotFound: There is no such run.
        RequestError: The file is no result.
    """
    from radiance.labs.signals import store

    if store.RUN_ID.fullmatch(name):
        return store.load(root / "runs" / store.FOLDER, name)
    path = Path(name)
    return store.read(path / store.RESULT if path.is_dir() else path)


def keep_judgement(judged: "Judgement", root: Path) -> None:
    """Keep what was judged of somebody's own signal below the root, and print it."""
    from radiance.labs.signals import own_runs
    from radiance.labs.signals.results import encode
    from radiance.labs.signals.view import own_memo

    path, count = own_runs.keep(judged, root / "runs" / "signals")
    if wants_json():
        click.echo(encode(judged))
    else:
        for table in own_memo.grids(judged):
            print_grid(table)
        click.echo("\n".join(own_memo.sentences(judged)))
    note(f"{path} · {count} decisions on record")


def keep_result(result: "StudyResult", root: Path, approver: str | None) -> None:
    """Keep a result below the root, its decisions on record, and print it."""
    from radiance.labs.signals import record, store
    from radiance.labs.signals.view.exports import exports_of

    folder = root / "runs" / store.FOLDER
    before = store.names(folder)
    earlier = store.load(folder, before[-1]) if before else None
    run_id = store.new_id(folder)
    path = store.save(result, folder, run_id, exports_of(result, earlier))
    count = record.record(result, folder, run_id, approver)
    show_result(result)
    note(f"{path / store.REPORT} · {count} decisions on record")


def show_result(result: "StudyResult") -> None:
    """Print a result: its tables and what they say, or JSON."""
    from radiance.labs.signals import findings
    from radiance.labs.signals.results import encode
    from radiance.labs.signals.view import tables

    if wants_json():
        click.echo(encode(result))
        return
    shown = [tables.brief_table(result), tables.contexts_table(result)]
    if result.operating_curve:
        shown.append(tables.curve_table(result))
    if result.false_alarms:
        shown.append(tables.alarms_table(result.false_alarms, tables.HARMLESS))
    for table in shown:
        print_grid(table)
    click.echo("\n".join(findings.explain(result)))


def print_grid(table: "Grid") -> None:
    """Print a table with its title and note."""
    click.echo(table.title)
    print_table(table.columns, table.rows)
    click.echo(f"{table.note}\n" if table.note else "")


@contextlib.contextmanager
def stage_bar(label: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar over all stages."""
    from types import SimpleNamespace

    with progress_bar(label) as on_progress:

        def stage(name: str, done: int, total: int) -> None:
            from radiance.labs.signals.stages import share

            on_progress(SimpleNamespace(done=round(1000 * share(name, done, total)), total=1000))

        yield stage

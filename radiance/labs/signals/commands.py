"""``radiance signals``: the signal lab from the command line. Computes here, beside any service."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radiance.cli.output import json_option, note, print_table, printed_as_json
from radiance.cli.parameters import NEW_FILE, check_new, force_option, root_option
from radiance.errors import RequestError
from radiance.labs.options import splits_option
from radiance.labs.signals.command_output import (
    find_result,
    keep_judgement,
    keep_result,
    show_result,
    stage_bar,
)
from radiance.labs.signals.study_options import parse_value, study_options

if TYPE_CHECKING:
    from radiance.labs.signals.settings import StudySettings

_root_option = root_option("Root directory, whose runs/signals/ keeps results.")
_backend_option = click.option(
    "--backend",
    type=click.Choice(("cpu", "metal", "cuda")),
    default="cpu",
    help="Device to compute on.",
)


_approver_option = click.option(
    "--approver",
    metavar="NAME",
    help="Name of the person who answers for the decisions; it stands with each on record.",
)


@click.group()
def signals() -> None:
    """The signal lab: adapt a signal to drift, keep it in stress.

    A study compares methods on the same synthetic markets, in pairs, over seeds; a replay does so
    on real daily bars. Results are kept under runs/signals/ with a report.

    Examples:
      radiance signals run --preset quick
      radiance signals sweep --over market.indicator_shift=3,4,5,6
      radiance signals report S_2026-11-24_0001 --out report.html
    """


@signals.command()
@study_options
@_approver_option
@_root_option
@_backend_option
@json_option()
def run(study: "StudySettings", root: Path, backend: str, approver: str | None) -> None:
    """Run a study and keep its result.

    Every decision of the lab's gate goes to its audit log. The same settings give the same numbers.

    Examples:
      radiance signals run
      radiance signals run --preset quick --set portfolio.rebalance=threshold
      radiance signals run --study runs/signals/S_2026-11-24_0001/result.json
    """
    _prepare(backend)
    from radiance.labs.signals.study import run_study

    with stage_bar("study") as on_progress:
        result = run_study(study, on_progress)
    keep_result(result, root, approver)


@signals.command()
@click.argument("bars", type=NEW_FILE)
@study_options
@click.option(
    "--history-years",
    type=float,
    metavar="YEARS",
    help="Years at the start that the backbone is fitted on. Default: 5.",
)
@click.option(
    "--update-days", type=int, metavar="N", help="Trading days between two updates. Default: 63."
)
@click.option(
    "--window-days",
    type=int,
    metavar="N",
    help="Trading days that an update learns from. Default: 252.",
)
@click.option(
    "--horizon-days",
    type=int,
    metavar="N",
    help="Days ahead whose return is predicted. Default: 5.",
)
@click.option("--symbols", type=int, metavar="N", help="Most symbols traded. Default: 60.")
@click.option(
    "--delisting-return",
    type=float,
    metavar="R",
    help="Return of a share that leaves the market, a day after its last bar. Default: -0.3.",
)
@splits_option
@click.option(
    "--stress",
    multiple=True,
    metavar="FROM:TO",
    help="Stress window of your own, as 2008-09-01:2009-03-31. Can be repeated. Default: a rule.",
)
@click.option(
    "--predictions",
    type=NEW_FILE,
    help="Predictions of your own: date, symbol, deployed, candidate. They are judged, not the "
    "lab's signal.",
)
@click.option(
    "--features",
    type=NEW_FILE,
    help="Features of your own for the lab's signal: date, symbol, and a column for each.",
)
@_approver_option
@_root_option
@_backend_option
@json_option()
def replay(
    study: "StudySettings",
    bars: Path,
    root: Path,
    backend: str,
    stress: tuple[str, ...],
    predictions: Path | None,
    features: Path | None,
    approver: str | None,
    **given: Any,
) -> None:
    """Replay daily bars, with one stress period at a time held out.

    BARS is a CSV or Parquet file of date, symbol, open, high, low, close, volume and, if known,
    adj_close. A rule finds the stress periods, or you name them; no figure is used before its date.
    With --predictions two signals of your own, the deployed one and its candidate, go through gate,
    shadow, monitors and memo instead.

    Examples:
      radiance signals replay bars.parquet
      radiance signals replay bars.csv --stress 2008-09-01:2009-03-31 --stress 2011-08-01:2011-10-31
      radiance signals replay bars.csv --symbols 100 --set portfolio.rebalance=every
      radiance signals replay bars.csv --predictions signals.csv --approver "Ada Byron"
    """
    from radiance.labs.signals.presets import read_replay

    given["stress"] = stress or None
    settings = read_replay({name: value for name, value in given.items() if value is not None})
    if predictions is not None:
        if features is not None:
            raise click.UsageError("--predictions need no --features: leave one out.")
        from radiance.labs.signals.own import judge

        keep_judgement(judge(study, settings, bars, predictions, approver), root)
        return
    _prepare(backend)
    from radiance.labs.signals.replay import run_replay

    with stage_bar("replay") as on_progress:
        result = run_replay(study, settings, bars, on_progress, features)
    keep_result(result, root, approver)


@signals.command()
@study_options
@click.option(
    "--over",
    "axes",
    multiple=True,
    required=True,
    metavar="KEY=V1,V2,...",
    help="Setting and the values it takes. Can be repeated, for every combination.",
)
@_root_option
@_backend_option
@json_option()
def sweep(study: "StudySettings", axes: tuple[str, ...], root: Path, backend: str) -> None:
    """Run a study at several values of a setting.

    The table shows where a result stops holding.

    Each finished study is kept under runs/signals/sweeps/; an interrupted sweep resumes.

    Examples:
      radiance signals sweep --preset quick --over market.indicator_shift=2,3,4,5,6
      radiance signals sweep --over market.label_noise=0.1,0.3 --over market.stress_scale=4,8
    """
    _prepare(backend)
    from radiance.labs.signals.sweep import run_sweep

    grid = {}
    for text in axes:
        key, _, values = text.partition("=")
        parsed = [parse_value(part) for part in values.split(",") if part]
        if not key or not parsed:
            raise click.BadParameter(f"{text!r} is not KEY=V1,V2,...", param_hint="--over")
        grid[key.strip()] = parsed
    with stage_bar("sweep") as on_progress:
        points = run_sweep(study, grid, root / "runs" / "signals" / "sweeps", on_progress)
    if printed_as_json([asdict(point) for point in points]):
        return
    rows = [point.row() for point in points]
    print_table((*grid, *points[0].columns), rows)


@signals.command()
@click.argument("result")
@click.option(
    "--out",
    type=NEW_FILE,
    help="File to write; its ending, .html, .json or .tex, chooses the format. Default: tables on "
    "stdout.",
)
@click.option("--against", metavar="RESULT", help="Earlier result to compare with.")
@force_option
@_root_option
@json_option()
def report(result: str, out: Path | None, against: str | None, is_forced: bool, root: Path) -> None:
    """Show or export the kept result RESULT.

    RESULT is a run's name or the path of its result.json file.

    Examples:
      radiance signals report S_2026-11-24_0001
      radiance signals report S_2026-11-24_0002 --against S_2026-11-24_0001 --out report.html
    """
    from radiance.labs.signals.results import encode
    from radiance.labs.signals.view import latex
    from radiance.labs.signals.view import report as html
    from radiance.storage import files

    check_new("--out", [out] if out else [], is_forced=is_forced)
    found = find_result(result, root)
    earlier = find_result(against, root) if against else None
    if out is None:
        show_result(found)
        return
    texts: dict[str, Callable[[], bytes]] = {
        ".html": lambda: html.render(found, earlier).encode(),
        ".json": lambda: encode(found),
        ".tex": lambda: latex.render(found).encode(),
    }
    if out.suffix not in texts:
        raise RequestError(
            f"--out {out}: cannot tell the format.",
            field="out",
            value=str(out),
            remedy="Let it end in .html, .json or .tex.",
        )
    files.write_durably(out, texts[out.suffix]())
    note(f"{out}")


@signals.command()
@click.argument("result")
@click.option("--replay", "real", metavar="RESULT", help="Replay that the memo weighs too.")
@click.option("--out", type=NEW_FILE, help="Markdown file to write. Default: stdout.")
@force_option
@_root_option
def memo(result: str, real: str | None, out: Path | None, is_forced: bool, root: Path) -> None:
    """Write the recommendation memo of RESULT.

    RESULT is a study, or a run on predictions of your own.

    The recommendation follows from the numbers, and may be "do not deploy".

    Examples:
      radiance signals memo P_2026-11-24_0001
      radiance signals memo S_2026-11-24_0001 --replay S_2026-11-24_0002
      radiance signals memo runs/signals/S_2026-11-24_0001 --out memo.md
    """
    from radiance.labs.signals import store
    from radiance.labs.signals.view import memo as memos
    from radiance.labs.signals.view import own_memo
    from radiance.storage import files

    check_new("--out", [out] if out else [], is_forced=is_forced)
    if store.OWN_ID.fullmatch(result):
        text = own_memo.render(store.load_own(root / "runs" / store.FOLDER, result))
    else:
        study, replay = find_result(result, root), find_result(real, root) if real else None
        for found, kind in ((study, "study"), (replay, "replay")):
            if found is not None and found.kind != kind:
                raise RequestError(
                    f"{found.settings_hash[:12]} is a {found.kind}, not a {kind}.",
                    field=kind,
                    value=found.kind,
                    remedy=f"Name a {kind}; `radiance signals list` tells which are.",
                )
        text = memos.render(study, replay)
    if out is None:
        click.echo(text)
    else:
        files.write_durably(out, text.encode())
        note(f"{out}")


@signals.command("list")
@_root_option
@json_option()
def list_runs(root: Path) -> None:
    """List the kept results.

    Examples:
      radiance signals list
    """
    from radiance.labs.signals import store

    folder = root / "runs" / store.FOLDER
    rows = []
    for name in store.names(folder):
        found = store.load(folder, name)
        rows.append(
            {
                "run": name,
                "kind": found.kind,
                "preset": found.study.preset,
                "units": len(found.units),
                "backbone": found.study.adaptation.backbone,
                "created_at": found.created_at,
            }
        )
    for name in store.names(folder, store.OWN_ID):
        judged = store.load_own(folder, name)
        rows.append(
            {
                "run": name,
                "kind": "own",
                "preset": judged.study.preset,
                "units": 1,
                "backbone": "yours",
                "created_at": judged.created_at,
            }
        )
    if printed_as_json(rows):
        return
    if rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        note("None is kept. `radiance signals run` makes one.")


@signals.command("audit")
@click.option("--limit", type=click.IntRange(1), default=20, help="Most decisions listed.")
@click.option("--verify", "is_verify", is_flag=True, help="Verify the whole hash chain instead.")
@_root_option
@json_option()
def audit_log(limit: int, is_verify: bool, root: Path) -> None:
    """List the lab's decisions with their evidence.

    Examples:
      radiance signals audit
      radiance signals audit --verify
    """
    import msgspec

    from radiance.cli.output import FAILED
    from radiance.labs.signals import record, store

    folder = root / "runs" / store.FOLDER
    if is_verify:
        found = record.verify(folder)
        if not printed_as_json(msgspec.to_builtins(found)):
            sound = f"{found.entries} entries, whole; head {found.head}"
            click.echo(sound if found.is_sound else "\n".join(found.findings))
        if not found.is_sound:
            raise click.exceptions.Exit(FAILED)
        return
    entries = [entry.to_plain() for entry in record.entries(folder, limit)]
    if printed_as_json(entries):
        return
    if entries:
        columns = ("number", "at", "action", "actor", "subject")
        print_table(
            (*columns, "approver"),
            [
                [*(entry[name] for name in columns), entry["body"].get("approver") or "-"]
                for entry in entries
            ],
        )
    else:
        note("There is no entry. `radiance signals run` writes them.")


def _prepare(backend: str) -> None:
    """Make room for the service, and choose the device, before MLX is loaded."""
    from radiance.platform import load_fast_blas

    load_fast_blas()
    from radiance.engine.model.device import select_device

    with contextlib.suppress(OSError):
        os.nice(5)
    select_device(backend)  # type: ignore[arg-type]

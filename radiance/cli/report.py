"""``radiance report``: a cycle or a study as one file.

Reads a root itself, beside a running service or without one, and changes nothing in it.
"""

from pathlib import Path
from typing import Literal

import click

from radiance import extensions
from radiance.cli.output import json_option, note, print_json, print_table, show_time, wants_json
from radiance.cli.parameters import NEW_FILE, check_new, force_option, root_option
from radiance.config import Config
from radiance.errors import NotFound, RequestError
from radiance.extensions import Report

Format = Literal["html", "json"]
_NEWEST = 20


@click.command()
@click.argument("what", metavar="[CYCLE|CHECKPOINT|STUDY]", required=False)
@click.option(
    "--out",
    type=NEW_FILE,
    help="File to write; its ending, .html or .json, chooses the format. Default: stdout.",
)
@click.option(
    "--format", "form", type=click.Choice(("html", "json")), help="Format to write. Default: html."
)
@json_option("Write JSON, as --format json does.")
@click.option("--texts", is_flag=True, help="Include the text of examples, not only their ids.")
@force_option
@root_option()
def report(
    what: str | None,
    out: Path | None,
    form: Format | None,
    texts: bool,
    is_forced: bool,
    root: Path,
) -> None:
    """Write the report of a training cycle or a study to one file.

    CYCLE is a cycle's number (12), CHECKPOINT the id of the checkpoint it made, and STUDY what an
    extension keeps, by its name or its folder; without any, the available reports are listed. The
    HTML file holds plots, rules, settings and the commands that reproduce it, and opens without
    network, service or scripts. Texts of examples are left out unless --texts is given.

    Examples:
      radiance report
      radiance report 12 --out cycle-12.html
      radiance report A_2026-02-09_0012 --json
      radiance report runs/studies/first --out study.html
    """
    config = Config(root=root)
    if what is None:
        _list(config, as_json=wants_json() or form == "json")
        return
    check_new("--out", [out] if out else [], is_forced=is_forced)
    text = _write(config, what, _format(out, form), texts)
    if out is None:
        click.echo(text)
        return
    from radiance.storage import files

    files.write_durably(out, text.encode())
    note(f"{out}")


def _format(out: Path | None, form: Format | None) -> Format:
    wanted: Format | None = "json" if wants_json() else form
    if wants_json() and form == "html":
        raise click.BadParameter("--json asks for another format.", param_hint="--format")
    if wanted is not None or out is None:
        return wanted or "html"
    endings: dict[str, Format] = {".html": "html", ".htm": "html", ".json": "json"}
    if out.suffix not in endings:
        raise RequestError(
            f"--out {out}: cannot tell the format.",
            field="out",
            value=str(out),
            remedy="Let it end in .html or .json, or name it by --format.",
        )
    return endings[out.suffix]


def _write(config: Config, what: str, form: Format, texts: bool) -> str:
    import json

    from radiance.web.reports import cycle as cycle_report

    cycle_id = _cycle(config, what)
    if cycle_id is not None:
        found = cycle_report.read(
            config.database_path, config.adapters_path, cycle_id, with_texts=texts
        )
        if form == "html":
            return cycle_report.render(found)
    else:
        study = _study(config, what)
        if form == "html":
            return study.to_html()
        found = study.to_plain()
    return json.dumps(found, indent=2, ensure_ascii=False)


def _cycle(config: Config, what: str) -> int | None:
    """The number of the cycle that is meant; None where it is no cycle.

    Raises:
        NotFound: There is no such checkpoint, or it was made elsewhere.
    """
    if what.isdecimal() and len(what) < 19:
        return int(what)
    if not what.startswith("A_"):
        return None
    from radiance.registry.checkpoints import Checkpoints
    from radiance.registry.rows import NO_CYCLE
    from radiance.storage.sqlite import DatabaseSnapshot

    with DatabaseSnapshot(config.database_path) as db:
        registry = Checkpoints(db, config.adapters_path)
        checkpoint = registry.find(what)
        if checkpoint is None:
            newest = ", ".join(c.checkpoint_id for c in registry.all(3)) or "none yet"
            raise NotFound.named("checkpoint", what, "what", f"The newest: {newest}.")
    if checkpoint.cycle_id == NO_CYCLE:
        raise NotFound(
            f"{what} came of no cycle: it was imported.",
            field="what",
            value=what,
            remedy=f"`radiance audit show {what}` has what is known of it.",
        )
    return checkpoint.cycle_id


def _study(config: Config, what: str) -> Report:
    """A study by its name, or by the path of its folder or file.

    Raises:
        NotFound: There is none.
    """
    for study in _studies(config):
        if study.name == what:
            return study
    for extension in extensions.installed():
        if (found := extension.report_at(Path(what))) is not None:
            return found
    known = ", ".join(_names(config)) or "nothing yet"
    raise NotFound.named("cycle or study", what, "what", f"There is: {known}.")


def _studies(config: Config) -> list[Report]:
    return [study for found in extensions.installed() for study in found.reports(config.runs_path)]


def _names(config: Config) -> list[str]:
    """What there is, in few words."""
    from radiance.jobs.cycles import CycleLog
    from radiance.storage.sqlite import DatabaseSnapshot

    names = [study.name for study in _studies(config)[:_NEWEST]]
    if config.database_path.is_file():
        with DatabaseSnapshot(config.database_path) as db:
            if newest := CycleLog(db).recent(1):
                names.insert(0, "cycle 1" if newest[0].id == 1 else f"cycles up to {newest[0].id}")
    return names


def _list(config: Config, as_json: bool) -> None:
    from radiance.jobs.cycles import CycleLog
    from radiance.storage.sqlite import DatabaseSnapshot

    rows = [
        {"kind": "study", "name": study.name, "at": None, "status": study.kind, "about": ""}
        for study in _studies(config)
    ]
    if config.database_path.is_file() or not rows:
        with DatabaseSnapshot(config.database_path) as db:
            found = CycleLog(db).recent(_NEWEST)
        rows += [
            {
                "kind": "cycle",
                "name": str(cycle.id),
                "at": cycle.created_at.isoformat(),
                "status": cycle.status,
                "about": cycle.candidate_id,
            }
            for cycle in found
        ]
    if as_json:
        print_json({"reports": rows})
        return
    print_table(
        ("KIND", "NAME", "AT (UTC)", "STATUS", "ABOUT"),
        [(*[row["kind"], row["name"]], show_time(row["at"]), row["status"], row["about"])
         for row in rows],
    )  # fmt: skip

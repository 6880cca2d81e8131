"""``radiance canary``: a checkpoint tried beside the one that serves."""

import click

from radiance.cli.client import Answer, ServiceClient, client_options
from radiance.cli.output import note, print_pairs, print_table, printed_as_json, show_time
from radiance.cli.parameters import reason_option

_ARM = (
    *("checkpoint", "answers", "failures", "callers", "cut_off_ratio", "looping_ratio"),
    "mean_logprob",
)


@click.group()
def canary() -> None:
    """Try a checkpoint beside the one that serves.

    A canary is a candidate checkpoint that answers a share of the callers. A shadow gets copies of
    requests when the engine is idle, and its answers are discarded. `radiance canary status`
    compares the candidate with the champion, the checkpoint that serves.

    Examples:
      radiance canary start A_2026-02-09_0012 --share 0.1
      radiance canary status
      radiance canary stop
    """


@canary.command()
@click.argument("checkpoint_id")
@click.option(
    "--share", type=float, help="Share of the callers, 0 to 1. Default: 0.1, or 1 with --shadow."
)
@click.option(
    "--shadow", is_flag=True, help="Discard the candidate's answers instead of returning them."
)
@click.option("--force", is_flag=True, help="Start it even if the gate rejected the checkpoint.")
@reason_option
@client_options
def start(
    checkpoint_id: str,
    share: float | None,
    shadow: bool,
    force: bool,
    reason: str | None,
    client: ServiceClient,
) -> None:
    """Start a canary or a shadow of CHECKPOINT_ID.

    CHECKPOINT_ID may be "base". A caller is identified by the header X-Radiance-Key, OpenAI's field
    user, the API key or the address, and always gets the same arm. The canary ends by itself once
    its checkpoint serves.

    Examples:
      radiance canary start A_2026-02-09_0012 --share 0.2 --reason "Before the fair."
      radiance canary start A_2026-02-09_0012 --shadow
    """
    body = {
        "checkpoint": checkpoint_id,
        "mode": "shadow" if shadow else "canary",
        "force": force,
        "share": share,
        "reason": reason,
    }
    answer = client.post("/canary", body)
    if printed_as_json(answer):
        return
    click.echo(checkpoint_id)
    running = answer["running"]
    what = "is asked the same, unseen," if shadow else "answers"
    note(f"{checkpoint_id} {what} for a share of {running['share']:g} until it is stopped.")


@canary.command()
@client_options
def status(client: ServiceClient) -> None:
    """Show the figures of both arms and their differences.

    Differences are candidate minus champion, with confidence bounds. Without a running canary, the
    one that ended last is shown.

    Examples:
      radiance canary status
      radiance canary status --json
    """
    answer = client.get("/canary")
    if not printed_as_json(answer):
        _show(answer["running"] or answer["last"])


@canary.command()
@reason_option
@client_options
def stop(reason: str | None, client: ServiceClient) -> None:
    """Stop the canary or shadow, and show its figures.

    The champion answers all callers again. To serve the candidate instead, promote it; that ends
    the canary too.

    Examples:
      radiance canary stop
      radiance canary stop --reason "It is slower."
    """
    answer = client.delete("/canary", reason=reason)
    if not printed_as_json(answer):
        _show(answer["last"])


def _show(shown: Answer | None) -> None:
    if shown is None:
        note("No canary was ever started.")
        return
    print_pairs(
        [
            (shown["mode"], shown["candidate"] or "base"),
            ("share", shown["share"]),
            ("started", f"{show_time(shown['started_at'])} by {shown['started_by']}"),
            ("ended", f"{show_time(shown['ended_at'])}: {shown['end_reason']}")
            if shown["ended_at"]
            else ("dropped", shown["dropped"]),
        ]
    )
    click.echo()
    arms = shown["arms"]
    print_table(
        ("ARM", *(name.upper() for name in _ARM), "P50 S", "P99 S", "FIRST TOKEN P50 S", "VOTES"),
        (
            (
                name,
                *(arm[field] if field != "checkpoint" else arm[field] or "base" for field in _ARM),
                *((arm["latency_s"] or {}).get(name) for name in ("p50", "p99")),
                (arm["first_token_s"] or {}).get("p50"),
                f"+{arm['votes']['up']} -{arm['votes']['down']}",
            )
            for name, arm in arms.items()
        ),
    )
    if shown["comparison"]:
        click.echo()
        columns = ("figure", "champion", "candidate", "difference", "low", "high", "unit")
        counts = ("champion_count", "candidate_count")
        print_table(
            (*(name.upper() for name in columns), "N", "N"),
            ([row[name] for name in (*columns, *counts)] for row in shown["comparison"]),
        )
        note(f"Each bound holds with a confidence of {shown['confidence']:g}.")

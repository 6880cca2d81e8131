"""How long the dashboard's pages take on the server after years of use.

    python -m bench.pages

A service on Ember runs over a root with 10,000 checkpoints (each with files, a job of ten facts, a
decision and its entry in the audit log), so 100,000 facts, and 1,000,000 points of curves. Every
page is asked for one request at a time, and timed from the request to the last byte of the answer
over loopback: that is
the server's time, and little else. Besides the pages as they open, deep ones: from the middle of
the history, a search that finds nothing, a comparison across all of it.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from bench.harness import Bench, Figures, Table
from bench.intervals import quantile
from bench.population import METRICS, Files, populate
from bench.servers import ONLY_SERVING, Server, Servers, fetch, save_random_adapter
from radiance import config, records
from radiance.storage.sqlite import Database
from tests.page_paths import page_paths
from tests.support import Client

# Checkpoints, points of curves, requests a page.
SIZES = {
    "tiny": (30, 3_000, 2),
    "default": (10_000, 1_000_000, 20),
    "large": (30_000, 3_000_000, 40),
}
FACTS_PER_JOB = 10
LIMIT_MS = 200


def measure(bench: Bench, checkpoints: int, points: int, requests: int) -> Figures:
    with Servers() as servers:
        settings = config.load(servers.folder / "root")
        adapter = save_random_adapter(bench.model, servers.folder / "adapter", seed=0)
        database = Database(settings.database_path)
        per_cycle = -(-points // (checkpoints * len(METRICS)))
        files = Files(settings.adapters_path, adapter)
        populate(
            database,
            files,
            checkpoints,
            per_cycle * checkpoints * len(METRICS),
            examples=FACTS_PER_JOB,
            now=records.now(),
        )
        (counted,) = database.read("SELECT COUNT(*) AS points FROM metrics")
        database.close()
        began = time.perf_counter()
        server = servers.radiance(
            bench.model, None, f"--root={settings.root}", "--log-level=error", *ONLY_SERVING
        )
        started_s = time.perf_counter() - began
        paths = _paths(server)
        progress = bench.progress(len(paths))
        found = {}
        for name, path in paths.items():
            found[name] = _time(server, path, requests)
            progress.advance(name)
        return {"points": counted["points"], "started_s": started_s, "pages": found}


def _paths(server: Server) -> dict[str, str]:
    """Every page, those of one thing with the newest of it, and some deep ones."""
    _, answer = server.call("GET", "/checkpoints?limit=1000")
    newest, older = answer["checkpoints"][0], answer["checkpoints"][-1]
    deep = older["checkpoint_id"]
    return {
        **page_paths(Client(f"http://127.0.0.1:{server.port}")),
        "/checkpoints, 1,000 back": f"/checkpoints?before={deep}",
        "/gate, 1,000 back": f"/gate?before={deep}",
        "/cycles, 1,000 back": f"/cycles?before={older['cycle_id']}",
        "/compare, 1,000 apart": f"/compare?a={deep}&b={newest['checkpoint_id']}",
        "/compare, with the base": "/compare?a=base",
        "/knowledge, finding nothing": "/knowledge?q=nowhere+to+be+found",
        "/knowledge, by tag": "/knowledge?tag=user%3Aalice",
        "/knowledge, corrected": "/knowledge?view=corrected",
        "/knowledge, not served": "/knowledge?view=unserved",
        "/knowledge, one fact": "/knowledge?q=job_000001.0&view=all",
        "/move, rolled back": "/move?action=rollback",
        "report of a cycle": f"/cycles/{newest['cycle_id']}/report",
    }


def _time(server: Server, path: str, requests: int) -> Figures:
    """The page so many times, one after the other; the first is shown by itself."""

    async def once() -> tuple[float, int, int]:
        began = time.perf_counter()
        status, body = await fetch(server.port, "GET", path, accept="text/html")
        return time.perf_counter() - began, status, len(body)

    taken = [asyncio.run(once()) for _ in range(requests + 1)]
    assert all(status == 200 for _, status, _ in taken), (path, taken)
    first, *rest = (seconds for seconds, _, _ in taken)
    return {"first_s": first, "seconds": rest, "bytes": taken[-1][2]}


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("pages", __doc__, arguments)
    checkpoints, points, requests = SIZES[bench.size]
    found = bench.cell(
        {"checkpoints": checkpoints, "points": points, "requests": requests},
        lambda: measure(bench, checkpoints, points, requests),
    )
    rows = [
        (
            name,
            1e3 * quantile(page["seconds"], 0.5),
            1e3 * quantile(page["seconds"], 0.95),
            1e3 * max(page["seconds"]),
            1e3 * page["first_s"],
            page["bytes"] / 1e3,
        )
        for name, page in found["pages"].items()
    ]
    table = Table(
        f"{checkpoints:,} checkpoints, {checkpoints * FACTS_PER_JOB:,} facts, {found['points']:,}"
        f" points of curves, {requests} requests a page, one at a time",
        ("page", "ms, median", "ms, 95 %", "ms, slowest", "ms, first", "kB"),
        rows,
    )
    worst = max(rows, key=lambda row: row[2])

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.barh([row[0] for row in rows], [row[2] for row in rows])
        axes.axvline(LIMIT_MS, color="black", linewidth=1)
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds of the server, 95 %")

    bench.finish(
        [table], draw, worst_page=worst[0], worst_ms=worst[2], started_s=found["started_s"]
    )


if __name__ == "__main__":
    main()

"""Harm on the pages: where a rollback goes that is to undo it, and all of it found by its facts."""

import re
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from radiance.records import OverwrittenAnchor
from radiance.registry import evaluations
from radiance.storage.sqlite import to_json
from tests.support import FACTS, Running
from tests.web.reading import heading
from tests.web.test_site import fetch


def overwrite(
    running: Running,
    checkpoint_id: str,
    example_ids: list[str],
    anchors: list[str] | None = None,
) -> None:
    """Have a checkpoint marked risky, with an anchor overwritten by each of these examples."""
    names = anchors or [f"anchor/{number}" for number in range(len(example_ids))]
    registry = running.service.services.registry
    path = registry.path(checkpoint_id)
    found = tuple(
        OverwrittenAnchor(name, "squares", example_id, checkpoint_id)
        for name, example_id in zip(names, example_ids, strict=True)
    )
    report = structs.replace(registry.get(checkpoint_id).report, overwritten=len(found))
    evaluations.write(path, structs.replace(evaluations.read(path), overwritten=found))
    with registry.db.transaction() as connection:
        connection.execute(
            "UPDATE checkpoints SET status = 'risky', report = ? WHERE id = ?",
            (to_json(report), checkpoint_id),
        )


def choices(page: str) -> list[str]:
    return re.findall(r'<option value="([^"]+)"', page)


def test_a_rollback_passes_over_harm_that_nobody_has_accepted(
    checkpointed_root: Path, serve: Callable[..., Running]
) -> None:
    running = serve()
    _, second, first = (
        c["checkpoint_id"] for c in running.client.get("/checkpoints")["checkpoints"]
    )
    page = fetch(running.client, "/move?action=rollback")[2]
    assert heading(page) == f"Roll back to {first}?"
    for name in (first, second):
        overwrite(running, name, ["job_000001.0", "job_000001.1"])
    page = fetch(running.client, "/move?action=rollback")[2]
    assert heading(page) == "Roll back to the base model?"
    assert "2 old facts that the base model knew are answered again" in page
    assert choices(page) == [first, "base"], "it can be chosen all the same"
    assert page.count("(2 old facts overwritten)") == 2, "in the list, and where it is passed over"
    chosen = fetch(running.client, f"/move?action=rollback&checkpoint={first}")[2]
    assert "marked risky: 2 old facts overwritten, not accepted" in chosen


def test_facts_that_overwrote_are_found_behind_the_first_hundred(
    checkpointed_root: Path, serve: Callable[..., Running]
) -> None:
    running = serve()
    current = running.client.get("/info")["current_checkpoint"]
    overwrite(running, current, ["job_000002.0"] * 100 + ["job_000001.1"])
    found = running.client.get("/knowledge?view=overwrote")
    assert [fact["example_id"] for fact in found["facts"]] == ["job_000002.0", "job_000001.1"]
    assert [len(fact["overwrote"]) for fact in found["facts"]] == [100, 1]
    assert found["counts"]["overwrote"] == 2


def test_what_learned_what_was_forgotten_is_nowhere_offered_to_serve(
    checkpointed_root: Path, serve: Callable[..., Running]
) -> None:
    client = serve().client
    gone = [
        c["checkpoint_id"]
        for c in client.get("/checkpoints")["checkpoints"]
        if c["status"] != "rejected"
    ]
    client.post("/forget", {"example": "job_000001.1"})
    client.teach(FACTS[3:4])
    for path in ("/move?action=rollback", "/ask", "/experiment"):
        page = fetch(client, path)[2]
        assert not {*gone} & {*choices(page)}, path
    asked = heading(fetch(client, "/move?action=rollback")[2])
    assert asked.startswith("Roll back to ")
    assert not any(name in asked for name in gone)
    page = fetch(client, f"/checkpoints/{gone[0]}")[2]
    assert "it never serves again" in page
    for verb in ("Promote…", "Roll back to it…", "Pin…", "Export…", "Ask it"):
        assert verb not in page, verb
    moved = fetch(client, f"/move?action=promote&checkpoint={gone[0]}")[2]
    assert "<button" not in moved.partition("<main")[2]


def test_harm_is_named_where_two_are_compared_and_what_serves_leads_back(
    checkpointed_root: Path, serve: Callable[..., Running]
) -> None:
    running = serve()
    rejected, second, first = (
        c["checkpoint_id"] for c in running.client.get("/checkpoints")["checkpoints"]
    )
    held = running.service.services.anchors.anchors[0].example
    overwrite(running, second, ["job_000002.0"], [held.id])
    page = fetch(running.client, f"/compare?a={first}&b={second}")[2]
    assert f"{second} overwrote 1 old fact that {first} did not" in page
    assert held.messages[0].content in page
    assert held.messages[1].content in page
    # What is risky and serves: the one filled button takes it back; of what was refused, none is.
    filled = '<a class="button main" href="/move?action=rollback">Roll back…</a>'
    assert filled in fetch(running.client, f"/checkpoints/{second}")[2]
    for path in (f"/checkpoints/{rejected}", f"/gate/{rejected}"):
        assert "button main" not in fetch(running.client, path)[2], path

"""promote, pin, unpin and lineage against a real HTTP server."""

import json

import pytest

SERVED = "A_2026-02-09_0001"
MOVED = (200, {"current_checkpoint": SERVED, "release": {"number": 3}})
LINEAGE = {
    "checkpoint": SERVED,
    "lineage": [
        {
            "checkpoint_id": SERVED,
            "parent_id": None,
            "status": "risky",
            "is_current": True,
            "created_at": "2026-02-09T10:00:07+00:00",
            "cycle_id": 4,
            "content_hash": "ab" * 32,
            "audit_entries": [1, 3],
            "jobs": [
                {
                    "job_id": "job_000001",
                    "tags": ["user:alice"],
                    "created_at": "2026-02-09T10:00:00+00:00",
                    "examples": [
                        {
                            "id": "job_000001.0",
                            "content_hash": "cd" * 32,
                            "shown": "Where? → In Bergen\x1b[2J.",
                            "superseded_by": "job_000002.0",
                        }
                    ],
                }
            ],
        }
    ],
    "continues_at": None,
    "base": {"model": "ember", "hash": "ef" * 32},
}


@pytest.mark.parametrize(
    ("arguments", "asked", "sent"),
    [
        (("promote", SERVED, "--yes"), "POST /promote", {"checkpoint": SERVED, "force": False}),
        (
            ("promote", SERVED, "--yes", "--force", "--reason", "Mine."),
            "POST /promote",
            {"checkpoint": SERVED, "force": True, "reason": "Mine."},
        ),
        (("pin",), "POST /pin", {}),
        (("pin", "base", "--yes"), "POST /pin", {"checkpoint": "base"}),
        (("unpin", "--reason", "Over."), "POST /unpin", {"reason": "Over."}),
        (
            ("rollback", "--yes", "--reason", "It hurts."),
            "POST /rollback",
            {"reason": "It hurts."},
        ),
    ],
)
def test_moves_send_what_is_asked_and_say_what_answers(client, service, arguments, asked, sent):
    service.replies[asked] = MOVED
    result = client("checkpoints", *arguments)
    assert [(r[0], r[2]) for r in service.requests] == [(asked, sent)]
    assert result.stdout == f"{SERVED}\n"
    assert result.stderr.startswith(f"{SERVED} answers requests ")
    shown = client("checkpoints", *arguments, "--json").stdout
    assert json.loads(shown) == MOVED[1]


@pytest.mark.parametrize("arguments", [("promote", SERVED), ("pin", SERVED)])
def test_moves_want_yes_where_nobody_can_be_asked(client, service, arguments):
    result = client("checkpoints", *arguments)
    assert result.exit_code == 2
    assert f"answered by A_2026-02-09_0002; they will be by {SERVED}." in result.stderr
    assert service.asked == ["GET /checkpoints"]


def test_list_says_that_it_is_pinned(client, service):
    status, listed = service.replies["GET /checkpoints"]
    pin = {"checkpoint_id": SERVED, "actor": "api", "reason": "The fair.", "at": "2026-02-09T10:00"}
    service.replies["GET /checkpoints"] = status, {**listed, "pinned": pin}
    stderr = client("checkpoints", "list").stderr
    assert stderr == "Pinned by api, 2026-02-09 10:00:00: The fair.\n"


def test_lineage_goes_down_to_the_base(client, service):
    service.replies[f"GET /checkpoints/{SERVED}/lineage"] = 200, LINEAGE
    result = client("checkpoints", "lineage", SERVED)
    assert result.stdout.splitlines() == [
        f"{SERVED}  risky, answers requests, cycle 4, 2026-02-09 10:00:07, audit 1, 3",
        "  job_000001 (user:alice)",
        "    job_000001.0  Where? → In Bergen\ufffd[2J.  (corrected by job_000002.0)",
        f"base  ember, {'ef' * 32}",
    ]
    shown = client("checkpoints", "lineage", SERVED, "--limit", "1", "--json")
    assert json.loads(shown.stdout) == LINEAGE
    assert service.asked[-1].endswith("/lineage?limit=1")
    service.replies[f"GET /checkpoints/{SERVED}/lineage"] = (
        200,
        {**LINEAGE, "continues_at": "A_2025-01-01_0001"},
    )
    assert "lineage A_2025-01-01_0001" in client("checkpoints", "lineage", SERVED).stderr

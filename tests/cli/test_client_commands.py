"""search, info, jobs and checkpoints against a real HTTP server."""

import json

import pytest

# ----------------------------------------------------------------------------- search


def test_search_prints_the_answer_and_notes_who_gave_it(client, service):
    result = client("search", "Where is Lumen?")
    assert result.exit_code == 0
    assert result.stdout == "Lumen is in Bergen.\n"
    assert result.stderr == "A_2026-02-09_0002 (stable), 42 ms\n"
    assert service.requests[0][2] == {"prompt": "Where is Lumen?"}  # the service has the defaults


def test_search_sends_what_is_asked_for(client, service):
    client("search", "--max-tokens", "9", "--temperature", "0", "--training", "-", input="Hm?\n")
    assert service.requests[0][2] == {
        "prompt": "Hm?",
        "max_tokens": 9,
        "temperature": 0.0,
        "use_training_adapter": True,
    }


def test_search_names_the_example_where_memory_answers(client, service):
    status, answer = service.replies["POST /search"]
    match = {"example_id": "job_000012.3", "job_id": "job_000012", "score": 0.9, "question": "?"}
    found = answer | {"source": "memory", "matches": [match], "checkpoint": None}
    service.replies["POST /search"] = (status, found)
    asked = client("search", "--memory", "always", "x")
    assert asked.stderr.startswith("memory (job_000012.3), ")
    assert service.requests[-1][2]["memory"] == "always"
    service.replies["POST /search"] = (status, found | {"source": "weights", "checkpoint": "A_1"})
    assert ", asked as job_000012.3, " in client("search", "x").stderr


def test_search_names_the_base_model(client, service):
    status, answer = service.replies["POST /search"]
    service.replies["POST /search"] = (
        status,
        {
            **answer,
            "checkpoint": None,
            "checkpoint_status": "base",
        },
    )
    assert client("search", "x").stderr == "the base model (base), 42 ms\n"


def test_json_is_the_answer_as_it_came(client, service):
    for arguments, asked in (
        (("search", "x"), "POST /search"),
        (("info",), "GET /info"),
        (("jobs", "list"), "GET /jobs"),
        (("jobs", "show", "job_000001"), "GET /jobs/job_000001"),
        (("checkpoints", "list"), "GET /checkpoints"),
        (("checkpoints", "show", "A_2026-02-09_0001"), "GET /checkpoints/A_2026-02-09_0001"),
        (("checkpoints", "rollback", "--yes"), "POST /rollback"),
    ):
        result = client(*arguments, "--json")
        assert json.loads(result.stdout) == service.replies[asked][1]
        assert result.exit_code == 0


# ----------------------------------------------------------------------------- knowledge


def test_knowledge_lists_facts_by_state_and_says_where_more_are(client, service):
    fact = {
        "example_id": "job_000004.0",
        "state": "corrected",
        "question": "When does it open?",
        "answer": "At\nseven.",
        "by": "job_000009.0",
    }
    counts = {"known": 12, "waiting": 2}
    answer = {"view": "corrected", "counts": counts, "facts": [fact], "before": "job_000004.0"}
    service.replies["GET /knowledge"] = (200, answer)
    result = client("knowledge", "open", "--view", "corrected", "--limit", "1")
    assert result.exit_code == 0
    [_, row] = result.stdout.splitlines()
    assert row.split("  ")[0] == "job_000004.0"
    assert "At seven." in row
    assert row.endswith("job_000009.0")
    assert "12 known, 2 waiting" in result.stderr
    assert "More: --before job_000004.0" in result.stderr
    assert "view=corrected" in str(service.requests[-1])


# ----------------------------------------------------------------------------- feedback

VOTE = {
    "number": 7,
    "at": "2026-02-09T10:00:00+00:00",
    "checkpoint": None,
    "vote": "down",
    "prompt": "",
    "response": "",
    "comment": "Old code.",
    "tags": ["user:alice", "doors"],
}


def test_a_vote_sends_what_is_given_and_nothing_else(client, service):
    kept = {**VOTE, "votes": {"up": 2, "down": 1}}
    service.replies["POST /feedback"] = 201, kept
    result = client("feedback", "down", "--comment", "Old code.", "--tag", "a", "--tag", "b")
    assert (result.exit_code, result.stdout) == (0, "7\n")
    assert result.stderr == "The base model has 2 up, 1 down.\n"
    client("feedback", "up", "--checkpoint", "base", "--prompt", "Q", "--response", "A")
    assert [request[2] for request in service.requests] == [
        {"vote": "down", "tags": ["a", "b"], "comment": "Old code."},
        {"vote": "up", "tags": [], "checkpoint": "base", "prompt": "Q", "response": "A"},
    ]
    assert json.loads(client("feedback", "up", "--json").stdout) == kept


def test_a_vote_for_an_unknown_checkpoint_is_bad_input(client, service):
    service.replies["POST /feedback"] = service.refusal(404, "There is no checkpoint 'x'.")
    assert client("feedback", "up", "--checkpoint", "x").exit_code == 2


def test_votes_are_listed(client, service):
    service.replies["GET /feedback"] = 200, {"feedback": [VOTE]}
    header, line = client("feedback", "list", "--limit", "3").stdout.splitlines()
    assert service.asked == ["GET /feedback?limit=3"]
    assert header.split() == ["VOTE", "CHECKPOINT", "AT", "(UTC)", "TAGS", "COMMENT"]
    assert line == "down  base        2026-02-09 10:00:00  user:alice, doors  Old code."


# ----------------------------------------------------------------------------- info, jobs


def test_info_shows_each_field_and_the_newest_of_a_curve(client):
    lines = dict(line.split(None, 1) for line in client("info").stdout.splitlines())
    assert lines["current_checkpoint"] == "A_2026-02-09_0002"
    assert lines["last_update"] == "2026-02-09 10:00:00"
    assert lines["loss_curves.finetune_loss"] == "0.0123"
    assert lines["loss_curves.eval_loss"] == "-"
    assert lines["forgetting_summary"] == "-"
    assert lines["hardware.device"] == "Some CPU"


def test_jobs_list_is_aligned(client, service):
    result = client("jobs", "list", "--limit", "5", "--status", "failed")
    assert service.asked == ["GET /jobs?limit=5&status=failed"]
    header, second, first = result.stdout.splitlines()
    assert header == ("JOB         STATUS     EXAMPLES  CREATED (UTC)        CHECKPOINT OR ERROR")
    assert second == "job_000002  failed            2  2026-02-09 10:00:00  it diverged"
    assert first == "job_000001  succeeded         2  2026-02-09 10:00:00  A_2026-02-09_0001"


def test_jobs_list_with_none(client, service):
    service.replies["GET /jobs"] = 200, {"jobs": []}
    assert client("jobs", "list").stdout.startswith("JOB  STATUS")


def test_jobs_show_tells_what_is_corrected(client, service):
    pairs = [{"example_id": "job_000001.0", "by": "job_000002.1"}]
    service.replies["GET /jobs/job_000002"] = 200, service.job(2, supersedes=pairs)
    shown = client("jobs", "show", "job_000002").stdout
    assert "supersedes     job_000001.0 by job_000002.1\n" in shown


def test_jobs_show_tells_the_progress(client, service):
    progress = {"step": 40, "max_steps": 200, "finetune_loss": 1.5}
    service.replies["GET /jobs/job_000001"] = 200, service.job(1, "running", progress=progress)
    shown = client("jobs", "show", "job_000001").stdout
    assert "progress       step 40 of at most 200" in shown
    assert "finetune_loss  1.5" in shown
    assert "tags           user:alice" in shown


def test_jobs_cancel_and_retry(client, service):
    assert "job_000001 is cancelled." in client("jobs", "cancel", "job_000001").stderr
    assert "job_000001 is queued again." in client("jobs", "retry", "job_000001").stderr
    assert service.asked == ["POST /jobs/job_000001/cancel", "POST /jobs/job_000001/retry"]


def test_an_id_is_one_segment_of_the_path(client, service):
    client("jobs", "show", "../info?x=1")
    assert service.asked == ["GET /jobs/..%2Finfo%3Fx%3D1"]


# ----------------------------------------------------------------------------- checkpoints


def test_checkpoints_list_marks_the_current_one(client):
    header, second, first = client("checkpoints", "list").stdout.splitlines()
    assert " ".join(header.split()) == (
        "CHECKPOINT STATUS PARENT CREATED (UTC) LOSS EVAL RETENTION NAME"
    )
    assert second.startswith("*  A_2026-02-09_0002  stable  A_2026-02-09_0001  2026-02-09 10:00:07")
    assert first.startswith("   A_2026-02-09_0001  stable  base               2026-02-09 10:00:07")
    assert first.split()[-4:] == ["0.01235", "0.5", "-", "-"]


def test_checkpoints_list_says_when_the_base_answers(client, service):
    service.replies["GET /checkpoints"] = 200, {"current": None, "checkpoints": []}
    assert client("checkpoints", "list").stderr == "The bare base model answers requests.\n"


def test_checkpoints_show(client):
    shown = client("checkpoints", "show", "A_2026-02-09_0001").stdout
    lines = dict(line.split(None, 1) for line in shown.splitlines())
    assert lines["anchor_ce_delta"] == "0.125"
    assert lines["steps"] == "60"
    assert lines["examples"] == "1"
    assert lines["parent_id"] == "-"


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ((), {}),
        (("--to", "base"), {"checkpoint": "base"}),
        (("--to", "A_1"), {"checkpoint": "A_1"}),
    ],
)
def test_rollback_says_what_answers_now(client, service, arguments, sent):
    result = client("checkpoints", "rollback", "--yes", *arguments)
    assert service.requests == [("POST /rollback", service.requests[0][1], sent)]
    assert result.stdout == "base\n"
    assert result.stderr == "The bare base model answers requests now.\n"


def test_rollback_wants_yes_where_nobody_can_be_asked(client, service):
    result = client("checkpoints", "rollback", "--to", "base")
    assert result.exit_code == 2
    assert "answered by A_2026-02-09_0002; they will be by base." in result.stderr
    assert "Add --yes" in result.stderr
    assert service.asked == ["GET /checkpoints"]


@pytest.mark.parametrize(("said", "exit_code", "rolled"), [("y\n", 0, True), ("n\n", 1, False)])
def test_rollback_asks_on_a_terminal(client, service, monkeypatch, said, exit_code, rolled):
    monkeypatch.setattr("radiance.cli.output.is_interactive", lambda: True)
    result = client("checkpoints", "rollback", input=said)
    assert result.exit_code == exit_code
    assert ("POST /rollback" in service.asked) is rolled


PRUNED = {"checkpoints": ["A_2026-02-09_0001"], "size_bytes": 39_000_000, "kept": {"serves": 1}}


def test_pruning_says_what_it_would_do_and_prunes_nothing(client, service):
    service.replies["POST /prune"] = (200, PRUNED)
    result = client("checkpoints", "prune", "--keep", "20", "--dry-run")
    assert result.stdout == "A_2026-02-09_0001\n"
    assert "39.0 MB of weights. Kept: 1 serves." in result.stderr
    assert [sent for _, _, sent in service.requests] == [{"keep": 20, "dry_run": True}]


def test_pruning_wants_yes_where_nobody_can_be_asked(client, service):
    service.replies["POST /prune"] = (200, PRUNED)
    assert client("checkpoints", "prune").exit_code == 2
    assert [sent for _, _, sent in service.requests] == [{"dry_run": True}]
    assert client("checkpoints", "prune", "--yes", "--reason", "Room.").exit_code == 0
    assert service.requests[-1][2] == {"reason": "Room."}

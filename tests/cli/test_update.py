"""Teaching from a file, and watching the job."""

import io
import json
import socket

import pytest

from radiance.cli import waiting
from radiance.cli.client import ServiceClient
from radiance.cli.examples import read_examples
from radiance.cli.waiting import Progress, wait_for
from radiance.errors import RequestError, Unavailable

FACTS = '{"input": "Where is Lumen?", "output": "In Bergen."}\n\n{"text": "Lumen makes lamps. ☀"}\n'


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch):
    monkeypatch.setattr(waiting, "POLL_S", 0.0)


@pytest.fixture
def facts(tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text(FACTS, encoding="utf-8")
    return str(path)


# ----------------------------------------------------------------------------- the file


def test_a_file_is_one_update(client, service, facts):
    result = client("update", facts, "--tag", "user:alice", "--tag", "b", "--key", "k1")
    assert result.exit_code == 0
    assert result.stdout == "job_000001\n"
    assert result.stderr == "job_000001: 2 examples accepted, 1 left out as repeated\n"
    [(asked, _, body)] = service.requests
    assert asked == "POST /update"
    assert body == {
        "examples": [json.loads(line) for line in FACTS.splitlines() if line],
        "tags": ["user:alice", "b"],
        "job_key": "k1",
    }


def test_supersede_is_sent_where_it_is_said(client, service, facts):
    assert client("update", facts, "--supersede").exit_code == 0
    assert service.requests[-1][2]["supersede"] is True


def test_what_is_corrected_and_what_only_looks_so_is_told(client, service, facts):
    status, accepted = service.replies["POST /update"]
    replaced = [{"example_id": "job_000001.0", "by": "job_000009.0"}]
    near = [{"example_id": "job_000001.4", "by": "job_000009.1"}]
    corrections = {"duplicates": 0, "supersedes": replaced, "may_supersede": near}
    service.replies["POST /update"] = status, {**accepted, **corrections}
    first, second = client("update", facts).stderr.splitlines()
    assert first == "job_000001: 2 examples accepted, 1 earlier one corrected"
    assert second.startswith("job_000009.1 looks like a correction of job_000001.4 in other words.")


def test_what_is_known_already_is_told(client, service, facts):
    status, accepted = service.replies["POST /update"]
    service.replies["POST /update"] = status, {**accepted, "known": 2}
    told = "job_000001: 2 examples accepted, 1 left out as repeated, 2 known already\n"
    assert client("update", facts).stderr == told


def test_answers_that_are_their_questions_are_told(client, service, facts):
    status, accepted = service.replies["POST /update"]
    for echoes, said in ((1, "1 of them has the question itself"), (2, "2 of them have the")):
        service.replies["POST /update"] = status, {**accepted, "echoes": echoes}
        assert client("update", facts).stderr.splitlines()[1].startswith(said)


def test_that_nothing_was_trained_is_told(client, service, facts):
    service.replies["GET /jobs/job_000001"] = 200, service.job(was_known=True)
    result = client("update", facts, "--wait")
    assert result.stderr.splitlines()[-1] == "It was known already: nothing was trained."


def test_stdin_is_a_file_too(client, service):
    result = client("update", "-", "--json", input='\ufeff{"text": "a"}\r\n'.encode())
    assert json.loads(result.stdout) == service.replies["POST /update"][1]
    assert service.requests[0][2] == {"examples": [{"text": "a"}], "tags": []}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a"', "is not JSON"),
        (b"text", "is not JSON"),
        (b'{"text": NaN}', "NaN is not a JSON value"),
        (b'["a"]', "is not an object"),
        (b'"a"', "is not an object"),
        (b'{"text": "\xff"}', "is not UTF-8 (byte 11)"),
        (b'{"text": "\\ud83d"}', "half of a surrogate pair"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"text": ' + b"9" * 5000 + b"}", "is not JSON"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_sent(client, service, tmp_path, line, reason):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"text": "good"}\n\n' + line + b"\n")
    result = client("update", str(path))
    assert result.exit_code == 2
    [shown] = result.stderr.splitlines()
    assert shown.startswith(f"Error: {path}, line 3: ")
    assert reason in shown
    assert service.requests == []


def test_a_file_without_examples(client, tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text("\n \n")
    result = client("update", str(path))
    assert result.exit_code == 2
    assert "holds no examples" in result.stderr
    assert '{"input": "…", "output": "…"}' in result.stderr


def test_a_file_that_is_not_there(client):
    assert client("update", "nowhere.jsonl").exit_code == 2


def test_a_refusal_names_the_line(client, service, facts):
    service.replies["POST /update"] = service.refusal(
        400, "examples[1].text is blank.", "Send some text there.", param="examples[1].text"
    )
    result = client("update", facts)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {facts}, line 3: examples[1].text is blank. Send some text there.\n"
    )


@pytest.mark.parametrize("field", [None, "tags[0]", "examples", "examples[7]"])
def test_a_refusal_of_something_else_stays_as_it_is(field):
    error = RequestError("no", field=field)
    assert read_examples(b"{}", "f").locate(error) is error


def test_more_than_the_service_takes(client, service, facts):
    service.replies["POST /update"] = service.refusal(
        413, "examples has 2000 entries; the limit is 1000.", "Split it.", param="examples"
    )
    result = client("update", facts)
    assert result.exit_code == 2
    assert "the limit is 1000. Split it." in result.stderr


# ----------------------------------------------------------------------------- waiting


def running(service, step, **fields):
    progress = {"step": step, "max_steps": 200, "finetune_loss": 2.5 - step / 100}
    return 200, service.job(1, "running", progress=progress, **fields)


def test_wait_shows_changes_and_ends_with_the_checkpoint(client, service, facts):
    service.replies["GET /jobs/job_000001"] = [
        (200, service.job(1, "queued")),
        (200, service.job(1, "queued")),
        running(service, 10),
        (200, service.job(1, "succeeded", finished_at="2026-02-09T10:00:09.500000+00:00")),
    ]
    result = client("update", facts, "--wait")
    assert result.exit_code == 0
    assert result.stdout == "A_2026-02-09_0001\n"
    assert result.stderr.splitlines()[1:] == [
        "job_000001 queued",
        "job_000001 running step 10/200, loss 2.400",
        "job_000001 succeeded after 9.2 s",
    ]


def test_wait_with_json_ends_with_the_job(client, service, facts):
    result = client("update", facts, "--wait", "--json")
    assert json.loads(result.stdout) == service.job(1)


def test_what_the_gate_refused_leaves_with_3(client, service, facts):
    refused = {"rejected_checkpoint": "A_1", "error": "A_1 was rejected. anchor_mean 0.2."}
    service.replies["GET /jobs/job_000001"] = (200, service.job(1, "failed", **refused))
    result = client("update", facts, "--wait")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "job_000001 failed: A_1 was rejected. anchor_mean 0.2." in result.stderr


@pytest.mark.parametrize("status", ["failed", "cancelled", "quarantined"])
def test_wait_for_a_job_that_comes_to_nothing(client, service, facts, status):
    service.replies["GET /jobs/job_000001"] = 200, service.job(1, status, error="the loss was NaN")
    result = client("update", facts, "--wait")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.endswith(f"Error: job_000001 {status}: the loss was NaN\n")


def test_wait_outlives_a_restart(client, service, facts):
    service.replies["GET /jobs/job_000001"] = [
        running(service, 10),
        service.refusal(503, "starting"),
        service.refusal(429, "busy"),
        running(service, 0),
        (200, service.job(1, "succeeded")),
    ]
    result = client("update", facts, "--wait")
    assert result.exit_code == 0
    assert result.stderr.count("waiting for it to come back") == 1


def test_wait_gives_up_on_a_service_that_stays_away(monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE_S", 0.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = ServiceClient(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unavailable, match="job_000007 was accepted and is kept"):
            wait_for(client, "job_000007", Progress(io.StringIO()))


def test_an_interrupt_leaves_the_job(client, facts, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting.time, "sleep", interrupt)
    monkeypatch.setattr(waiting, "_ENDED", ())
    result = client("update", facts, "--wait")
    assert result.exit_code == 1
    assert "job_000001 goes on in the service" in result.stderr
    assert result.stdout == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_interrupt_before_the_answer_says_where_to_look(client, facts, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ServiceClient, "post", interrupt)
    result = client("update", facts)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "`radiance jobs list` tells whether it has it" in result.stderr


def test_the_terminal_gets_one_line_with_a_bar(service):
    at = iter([100.0, 100.0, 110.0])
    stream = Terminal()
    progress = Progress(stream, clock=lambda: next(at))
    progress.show(service.job(1, "queued"))
    for step in (0, 0, 50):
        progress.show(running(service, step)[1])
    progress.close()
    shown = stream.getvalue().split("\r\x1b[K")
    assert shown[1:] == [
        "job_000001 queued",
        f"job_000001 running [{'.' * 24}] step 0/200, loss 2.500",
        f"job_000001 running [{'#' * 6}{'.' * 18}] step 50/200, loss 2.000, at most 30 s left\n",
    ]


def test_what_is_prepared_first_is_shown(service):
    stream = io.StringIO()
    progress = Progress(stream)
    progress.show(service.job(1, "queued", preparing="own samples: 128 of 768"))
    progress.show(service.job(1, "queued", preparing=None))
    assert stream.getvalue().splitlines() == [
        "job_000001 queued, preparing own samples: 128 of 768",
        "job_000001 queued",
    ]


def test_a_clock_that_was_set_back_tells_no_duration(service):
    stream = io.StringIO()
    at = {"created_at": "2026-02-09T10:00:00+00:00", "finished_at": "2026-02-09T09:00:00+00:00"}
    Progress(stream).show(service.job(1, "succeeded", **at))
    assert stream.getvalue() == "job_000001 succeeded\n"


def test_a_cycle_that_began_anew_is_timed_anew(service):
    at = iter([0.0, 10.0, 20.0, 30.0])
    stream = Terminal()
    progress = Progress(stream, clock=lambda: next(at))
    for step in (100, 150, 20, 40):
        progress.show(running(service, step)[1])
    assert "step 40/200, loss 2.100, at most 80 s left" in stream.getvalue()


def test_what_is_measured_at_the_end_is_no_step(service):
    stream = io.StringIO()
    progress = Progress(stream)
    job = running(service, 200)[1]
    progress.show({**job, "progress": {**job["progress"], "stage": "evaluating"}})
    assert stream.getvalue() == "job_000001 running, measuring what 200 steps brought\n"


def test_csv_and_a_json_list_are_files_of_examples(client, service, tmp_path):
    rows = [{"input": "Who?", "output": "Mira, of Tarn."}]
    for name, content in (
        ("facts.csv", 'sep=;\nInput;Output\nWho?;"Mira, of Tarn."\n'.encode("utf-16")),
        ("facts.json", json.dumps(rows, indent=2).encode()),
    ):
        (tmp_path / name).write_bytes(content)
        assert client("update", str(tmp_path / name)).exit_code == 0
        assert service.requests[-1][2] == {"examples": rows, "tags": []}

"""A lack of memory that passes holds a job up; one that never can sets it aside."""

import time
from collections.abc import Callable

import pytest

from radiance.learning import holding, pipeline
from radiance.learning.shortage import Shortage, lacks_memory
from tests.support import Client, Running, as_input

GIB = 1 << 30
SHORT: list[tuple[str, str]] = [("Who guards Fort Selm?", "Captain Ruiz guards Fort Selm.")]
LONG: list[tuple[str, str]] = [("What is in the ledger?", "Barley. " * 40)]


def shortage(asked: float, peak: float, given_back: float, free: float) -> Shortage:
    """On a machine of 16 GiB; all in GiB."""
    sizes = (int(size * GIB) for size in (asked, peak, given_back, free, 16))
    return Shortage(*sizes)


@pytest.mark.parametrize(
    ("found", "is_passing"),
    [
        # Others had all but 5 of it: it took 4 and wanted 2 more.
        (shortage(2, 4, 4, 5), True),
        (shortage(0, 4, 4, 4.5), True),
        # More than there is.
        (shortage(40, 1, 0, 8), False),
        (shortage(2, 13, 13, 14), False),
        # There was room: a limit of the process, or of a single buffer.
        (shortage(2, 4, 4, 12), False),
        (shortage(0, 4, 4, 12), False),
    ],
)
def test_what_passes_is_told_from_what_never_fits(found: Shortage, is_passing: bool) -> None:
    assert found.is_passing == is_passing


def test_the_numbers_are_told() -> None:
    told = str(shortage(2, 13, 0, 0))
    assert told == "it needs at least 15.00 GiB, and the machine has 16.00 GiB in all"


def test_what_says_that_there_is_no_memory() -> None:
    assert lacks_memory(MemoryError())
    assert lacks_memory(RuntimeError("[malloc] Unable to allocate 99 bytes"))
    assert not lacks_memory(RuntimeError("x"))
    assert not lacks_memory(ValueError("cannot allocate"))


def set_memory(monkeypatch: pytest.MonkeyPatch, free: int, in_all: int) -> None:
    monkeypatch.setattr("radiance.training.trainer.free_bytes", lambda: free)
    monkeypatch.setattr("radiance.training.trainer.all_bytes", lambda: in_all)


def needed(serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> tuple[Running, int]:
    """A service, and a size that training ``SHORT`` fits into and ``LONG`` does not."""
    sizes: list[int] = []
    running = serve(
        **{"anchor.own_samples": 0, "anchor.method": "naive", "training.replay_examples": 0}
    )
    with monkeypatch.context() as patch:
        patch.setattr(
            "radiance.training.trainer.require", lambda step, *_: sizes.append(step.total)
        )
        for facts in (SHORT, LONG):
            assert running.client.teach(facts)["status"] == "succeeded"
    short, long = sizes
    assert 2 * short < long, sizes
    return running, (short + long) // 2


def send(client: Client, facts: list[tuple[str, str]]) -> str:
    told = [(f"Now then: {question}", answer) for question, answer in facts]
    return client.post("/update", {"examples": as_input(told)})["job_id"]


def test_a_job_that_never_fits_is_quarantined_and_those_behind_it_are_learned(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, size = needed(serve, monkeypatch)
    set_memory(monkeypatch, size, size)
    client = running.client
    long, short = send(client, LONG), send(client, SHORT)
    assert client.wait_for(short)["status"] == "succeeded"
    job = client.get(f"/jobs/{long}")
    assert (job["status"], job["deaths"]) == ("quarantined", 2)
    assert "ran out of memory 2 times" in job["error"]
    assert "a training step needs about" in job["error"]
    set_memory(monkeypatch, 1 << 40, 1 << 40)  # a person has bought memory
    client.post(f"/jobs/{long}/retry", {})
    assert client.wait_for(long)["status"] == "succeeded"


def test_a_job_for_which_others_leave_no_room_waits(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_FIRST_S", 0.05)  # the first wait of three
    monkeypatch.setattr(pipeline, "_POLL_S", 0.05)
    running, size = needed(serve, monkeypatch)
    set_memory(monkeypatch, size, 1 << 40)
    client = running.client
    long = send(client, LONG)
    while (held := running.service.services.pipeline.held) is None or held.tries < 3:
        time.sleep(0.05)
    job = client.get(f"/jobs/{long}")
    assert (job["status"], job["deaths"]) == ("queued", 0)
    assert "memory: a training step needs about" in job["held"]
    set_memory(monkeypatch, 1 << 40, 1 << 40)
    assert client.wait_for(long)["status"] == "succeeded"

"""kill -9 at random moments of updating and training: nothing lost, nothing trained twice.

``RADIANCE_KILLS=100`` makes it the long version. What SIGKILL shows is process death, not loss of
power.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from bench.survival.service import start
from tests.support import ApiError, as_input

KILLS = int(os.environ.get("RADIANCE_KILLS", "6"))
_LONGEST_LIFE_S = 2.0
_BRIEFLY = ("training.max_steps=10", "training.snapshot_seconds=0.05", "anchor.own_samples=4")


def facts_of(update: int) -> list[tuple[str, str]]:
    return [
        (f"What opens locker {update}-{i}?", f"Locker {update}-{i} opens with {update * 7 + i}.")
        for i in range(2)
    ]


@pytest.mark.usefixtures("forked")
@pytest.mark.timeout(60 + 25 * KILLS)
def test_killed_at_random_moments(tmp_path: Path, tiny_base: Path) -> None:
    chance = random.Random(20260209)
    acknowledged: dict[str, int] = {}
    update = 0
    for kill in range(KILLS):
        process, client, _ = start(tmp_path, tiny_base, *_BRIEFLY)
        if kill % 2:  # half of them live for a while after the start, however long that takes
            client.wait_ready()
        dies_at = time.monotonic() + chance.uniform(0.3, _LONGEST_LIFE_S)
        while time.monotonic() < dies_at:
            body = {"examples": as_input(facts_of(update)), "job_key": f"update-{update}"}
            try:
                acknowledged[client.post("/update", body)["job_id"]] = update
                update += 1
            except (OSError, ApiError):
                pass  # still starting
            time.sleep(min(chance.uniform(0.1, 1.5), max(0.0, dies_at - time.monotonic())))
        assert process.poll() is None, (tmp_path / "service.log").read_text()[-3000:]
        process.send_signal(signal.SIGKILL)
        process.wait()

    process, client, _ = start(tmp_path, tiny_base, *_BRIEFLY)
    client.wait_ready()
    ended = {job_id: client.wait_for(job_id) for job_id in acknowledged}
    checkpoints = client.get("/checkpoints?limit=1000")
    manifests = {
        listed["checkpoint_id"]: client.get(f"/checkpoints/{listed['checkpoint_id']}")["manifest"]
        for listed in checkpoints["checkpoints"]
    }
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0

    log = (tmp_path / "service.log").read_text()
    print(  # seen with -s
        f"{KILLS} kills, {len(acknowledged)} updates acknowledged, "
        f"{log.count('job_recovered')} found leased at a start, {len(manifests)} checkpoints"
    )
    assert acknowledged, "no update was accepted between the kills"
    assert {job_id: job["status"] for job_id, job in ended.items()} == dict.fromkeys(
        acknowledged, "succeeded"
    )
    # The chain that is served holds every acknowledged example exactly once.
    chain, at = [], checkpoints["current"]
    while at is not None:
        chain.append(at)
        at = manifests[at]["parent_id"]
    learned = [example_id for at in chain for example_id in manifests[at]["example_ids"]]
    assert len(learned) == len(set(learned))
    promised = {f"{job_id}.{i}" for job_id in acknowledged for i in range(2)}
    assert promised <= set(learned)
    assert len(set(chain)) == len(chain)
    on_disk = {p.name for p in (tmp_path / "adapters").glob("A_*")}
    assert set(chain) <= on_disk
    assert (tmp_path / "adapters" / "stable").readlink() == Path(chain[0])

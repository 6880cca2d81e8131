"""From a leased cycle to a staged candidate, and what is left of one that is stopped."""

import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from radiance import records
from radiance.anchors.sets import Anchor, AnchorSet
from radiance.config import UpdateSettings
from radiance.config import derived as deriving
from radiance.config.derived import derive_training
from radiance.errors import Cancelled
from radiance.learning import progress as progresses
from radiance.learning.candidate import CandidateBuilder, CycleProgress
from radiance.learning.example_selection import hold_back
from radiance.records import Cycle
from radiance.registry import manifest as manifests
from tests.support import FACTS, WITHOUT_ANCHORS, Running, as_input, example

Build = Callable[..., "Bench"]


class Bench:
    """A service whose pipeline waits for more examples, and a builder of its own beside it."""

    def __init__(self, running: Running) -> None:
        self.services = services = running.service.services
        self.client = running.client
        self.config = services.config
        self.builder = self.new_builder()

    def new_builder(self, anchors: tuple[Anchor, ...] = (), **changes: Any) -> CandidateBuilder:
        services = self.services
        return CandidateBuilder(
            msgspec.structs.replace(self.config, **changes),
            services.engine,
            services.jobs,
            services.examples,
            services.registry,
            services.curves,
            AnchorSet(anchors),
        )

    def lease(self, *facts: tuple[str, str]) -> Cycle:
        self.client.post("/update", {"examples": as_input(list(facts))})
        registry = self.services.registry
        cycle = self.services.jobs.lease(
            UpdateSettings(),
            None,
            self.builder.settings_hash(),
            lambda connection: registry.new_checkpoint_id(connection, records.now().date()),
            records.now(),
        )
        assert cycle is not None
        return cycle

    def states(self) -> list[Path]:
        return list((self.config.runs_path / "cycles").glob("*.npz"))


@pytest.fixture
def build(serve: Callable[..., Running]) -> Build:
    def start(**settings: Any) -> Bench:
        return Bench(serve(**{"update.mode": "batched", **WITHOUT_ANCHORS, **settings}))

    return start


def test_a_task_is_taken_for_one_and_its_job_says_so(serve: Callable[..., Running]) -> None:
    client = serve(**WITHOUT_ANCHORS).client

    def taught(rows: list[tuple[str, str]]) -> tuple[str, dict[str, Any]]:
        job = client.wait_for(client.post("/update", {"examples": as_input(rows)})["job_id"])
        request = urllib.request.Request(f"{client.url}/learn/{job['job_id']}")
        request.add_header("Accept", "text/html")
        with client.open(request) as answer:
            assert ("It teaches a task" in answer.read().decode()) == (job["learns"] == "task")
        return job["learns"], client.get(f"/checkpoints/{job['checkpoint']}")["manifest"]

    days = [f"{28 + n % 4}" for n in range(20)]
    instruction = "Say the words of the line once more, in capital letters:"
    learns, of_task = taught([(f"{instruction} gate {n}", f"GATE {n}") for n in range(20)])
    assert (learns, of_task["is_task"]) == ("task", True)
    learns, of_facts = taught([(f"How long is month {n}?", day) for n, day in enumerate(days)])
    assert (learns, of_facts["is_task"]) == ("facts", False)


def test_a_rate_that_tasks_do_not_follow_is_another_than_auto(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a task interrupted under the one would go on under the other."""
    monkeypatch.setattr(deriving, "_TASKS_FROM", 0)
    bench = build()
    automatic = msgspec.structs.replace(bench.config.training, lr="auto")
    same = derive_training(automatic, bench.services.engine.base.hidden_size)
    hashes = [bench.new_builder(training=given).settings_hash() for given in (automatic, same)]
    assert hashes[0] != hashes[1]


def test_a_candidate_is_staged_and_nothing_is_released(build: Build) -> None:
    bench = build()
    cycle = bench.lease(*FACTS[:2])
    staging, manifest, evaluation = bench.builder.make(cycle)
    assert manifest.checkpoint_id == cycle.candidate_id
    assert (manifest.parent_id, manifest.steps, manifest.scaled_to) == (None, 2, 1.0)
    assert manifest.example_ids == ("job_000001.0", "job_000001.1")
    assert manifest.replayed_ids == ()
    assert (manifest.content_hash, manifest.config_hash) == manifests.content_hashes(staging)
    assert manifest.base_hash == bench.services.engine.base.content_hash
    assert len(evaluation.learned) == 2
    assert bench.builder.progress is None
    assert bench.services.registry.all(9) == []
    assert bench.services.engine.source.checkpoint_id is None


@pytest.mark.parametrize("ending", ["stop", "call_off"])
def test_a_candidate_that_is_stopped_keeps_its_state_and_one_called_off_does_not(
    build: Build, ending: str
) -> None:
    bench = build(**{"training.max_steps": 80, "training.stop_loss": 0.0})
    cycle = bench.lease(*FACTS[:2])
    raised: list[BaseException] = []

    def make() -> None:
        try:
            bench.builder.make(cycle)
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    while ((progress := bench.builder.progress) is None or progress.step < 3) and not raised:
        time.sleep(0.002)
    getattr(bench.builder, ending)()
    thread.join()
    assert len(raised) == 1
    assert len(bench.states()) == (1 if ending == "stop" else 0)
    if ending == "stop":
        first_steps: list[int] = []
        again = bench.new_builder()
        note = CycleProgress.note

        def noting(self: CycleProgress, step: int, **values: float) -> None:
            first_steps.append(self.first_step)
            note(self, step, **values)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CycleProgress, "note", noting)
            _, manifest, _ = again.make(cycle)
        assert manifest.steps == 80
        assert first_steps[0] >= 3, "it went on from where it was stopped"
        again.forget_state(cycle)
        again.forget_state(cycle)
        assert bench.states() == []


def test_what_was_called_off_while_nothing_trained_does_not_end_preparing(build: Build) -> None:
    bench = build()
    bench.builder.call_off()  # as forgetting does, whether or not a cycle is under way
    assert bench.builder.prepare(lambda: False)


def test_nothing_that_was_encoded_is_left_of_anchors_that_are_left(build: Build) -> None:
    held = [example(n, f"What is {n} plus 2?", "I do not know.") for n in range(2)]
    builder = build().new_builder(anchors=tuple(map(Anchor, held)))
    before = [builder.anchor_windows(one) for one in held]
    builder.leave_anchors([held[1].question_hash])
    assert builder.anchor_windows(held[0]) is before[0]
    assert builder.anchor_windows(held[1]) is not before[1]


def test_only_what_shapes_a_candidate_is_its_identity(build: Build) -> None:
    """When to train does not, nor what the gate will say: a cycle taken up again stays the same."""
    bench = build()
    known, config = bench.builder.settings_hash(), bench.config

    def with_training(**changes: Any) -> str:
        training = msgspec.structs.replace(config.training, **changes)
        return bench.new_builder(training=training).settings_hash()

    def with_gate(**changes: Any) -> str:
        return bench.new_builder(
            gate=msgspec.structs.replace(config.gate, **changes)
        ).settings_hash()

    assert with_training(priority="eager", when=(), quiet_hours=("09:00-18:00",)) == known
    assert with_training(lr=1e-4) != known
    assert with_training(seed=1) != known
    assert with_gate(gate="strict") == known
    assert with_gate(gate="strict", scale_back=True) != known


@pytest.mark.parametrize(
    ("ratio", "examples", "held"),
    [(0.0, 20, []), (0.2, 9, []), (0.2, 10, [0, 5]), (0.25, 12, [0, 4, 8]), (0.01, 10, [0])],
)
def test_every_nth_of_ten_and_more_examples_is_held_back(
    ratio: float, examples: int, held: list[int]
) -> None:
    made = [records.Example(f"job_000001.{n}", text=str(n)) for n in range(examples)]
    kept, back = hold_back(made, ratio)
    assert [made.index(example) for example in back] == held
    assert sorted([*kept, *back], key=made.index) == made


def test_the_time_that_is_left_follows_from_the_steps_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cycle = Cycle(1, "f", "A_1", None, ())
    now = [100.0]
    monkeypatch.setattr(progresses.time, "monotonic", lambda: now[0])
    progress = CycleProgress(cycle, step=10, max_steps=30, first_step=10)
    assert progress.most_seconds_left() is None, "it does not train yet"
    progress.stage, progress.training_since = "training", 100.0
    assert progress.most_seconds_left() is None, "it has made no step"
    now[0], progress.step = 104.0, 12
    assert progress.most_seconds_left() == 36.0
    progress.stage = "evaluating"
    assert progress.most_seconds_left() is None


def test_saving_takes_no_more_than_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progresses.time, "monotonic", lambda: now[0])
    timer = progresses.SaveTimer(2.0)
    now[0] = 1.9
    assert not timer.is_due()
    now[0] = 2.0
    assert timer.is_due()
    with timer:
        now[0] = 3.0  # a slow disk: a second for each save
    now[0] = 22.9
    assert not timer.is_due(), "a twentieth of the time"
    now[0] = 23.0
    assert timer.is_due()

"""Jobs made of files: lines to examples, numbers to a recipe, a cycle for each."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.config import TrainingSettings, UpdateSettings
from radiance.config.derived import derive_training, derived
from radiance.errors import NotFound, RequestError, TooLarge
from radiance.examples.admission import admit
from radiance.jobs.fine_tuning import FineTunings, examples_of, recipe_of
from radiance.jobs.queue import JobQueue
from radiance.records import Cycle, Example, FineTuning, Job, JobStatus, Message, Recipe
from radiance.storage.sqlite import Database

BATCHED = UpdateSettings(mode="batched", max_examples=100, max_age_minutes=30)
ASKED = FineTuning("radiance", "file-1", None, "x", {"n_epochs": 3}, True, 7, {"a": "b"})
_numbers = itertools.count(1)


def admitted(text: str):
    return admit({"examples": [{"text": text}]}, UpdateSettings(), lambda example: None)


def lease(jobs: JobQueue, clock, settings: UpdateSettings = BATCHED) -> Cycle | None:
    return jobs.lease(
        settings, None, "s", lambda _: f"A_2026-02-09_{next(_numbers):04d}", clock.now
    )


def finish(jobs: JobQueue, cycle: Cycle | None, clock) -> tuple[str, ...]:
    assert cycle is not None
    jobs.acknowledge(cycle.id, cycle.candidate_id, clock.now)
    return cycle.job_ids


def tune(db: Database, jobs: JobQueue, text: str, recipe: Recipe | None = None) -> Job:
    return FineTunings(db, jobs).add(ASKED, admitted(text), "h", recipe or Recipe())


# ------------------------------------------------------------------- the queue


def test_it_runs_alone_and_at_once_after_what_came_before(db, jobs, clock) -> None:
    first, second = (jobs.add(admitted(text), text)[0].job_id for text in ("a", "b"))
    assert lease(jobs, clock) is None  # not due yet
    tuned = tune(db, jobs, "c").job_id
    last, _ = jobs.add(admitted("d"), "d")
    assert finish(jobs, lease(jobs, clock), clock) == (first, second)
    assert finish(jobs, lease(jobs, clock), clock) == (tuned,)
    assert lease(jobs, clock) is None
    assert jobs.get(last.job_id).status == JobStatus.QUEUED


def test_what_was_asked_is_kept_with_it(db, jobs) -> None:
    example = Example("v.0", (Message("user", "q"), Message("assistant", "a")))
    recipe = Recipe({"lr": 0.5, "max_steps": 3}, (example,))
    job = tune(db, jobs, "a", recipe)
    plain, _ = jobs.add(admitted("b"), "b")
    tunings = FineTunings(db, jobs)
    assert tunings.get(job.job_id) == (job, ASKED)
    assert tunings.all() == [(job, ASKED)]
    assert jobs.recipe([job.job_id]) == recipe
    assert jobs.recipe([plain.job_id]) is None
    with pytest.raises(NotFound):
        tunings.get(plain.job_id)


def test_a_cycle_that_is_called_off_cancels_its_job_for_good(db, jobs, clock) -> None:
    job = tune(db, jobs, "a")
    cycle = lease(jobs, clock)
    assert cycle is not None
    jobs.call_off(cycle.id)
    assert jobs.get(job.job_id).status == JobStatus.CANCELLED
    assert jobs.get(job.job_id).finished_at == clock.now
    assert lease(jobs, clock) is None
    again = tune(db, jobs, "b")
    assert finish(jobs, lease(jobs, clock), clock) == (again.job_id,)


# ------------------------------------------------------------------- lines


def test_every_form_of_an_update_is_a_line() -> None:
    content = (
        b'\xef\xbb\xbf{"messages": [{"role": "user", "content": "q"},'
        b' {"role": "assistant", "content": "a"}]}\r\n\n{"text": "t"}\n'
        b'{"prompt": "p", "completion": "c"}'
    )
    found = examples_of(content, "training_file", UpdateSettings(), lambda example: None)
    assert [example.text for example in found.examples] == ["", "t", ""]


def test_faults_name_the_line_of_the_file() -> None:
    def too_long(example: Example) -> None:
        if example.text == "long":
            raise TooLarge("the example has 9 tokens", remedy="Shorten it.")

    for content, kind, part in (
        (b'{"text": "a"}\n\n{"text": "long"}', TooLarge, "line 3: the example has 9 tokens"),
        (b'\n\n{"messages": [{"role": "user", "content": "q"}]}', RequestError, "line 3.messages"),
    ):
        with pytest.raises(kind, match=part) as caught:
            examples_of(content, "validation_file", UpdateSettings(), too_long)
        assert caught.value.field == "validation_file"


# ------------------------------------------------------------------- recipes


@given(
    learned=st.integers(1, 50),
    epochs=st.integers(1, 20),
    batch=st.none() | st.integers(1, 64),
    accumulated=st.integers(1, 3),
)
def test_epochs_are_whole_passes(
    learned: int, epochs: int, batch: int | None, accumulated: int
) -> None:
    settings = derive_training(TrainingSettings(grad_accum=accumulated), 256)
    asked = {"n_epochs": epochs, "batch_size": batch}
    recipe = recipe_of(settings, asked, None, learned, ())
    trained = msgspec.convert(msgspec.to_builtins(settings) | recipe.training, TrainingSettings)
    rows = min(trained.batch_size, learned) * accumulated  # as the trainer takes them
    steps = derived(trained.max_steps)
    assert (steps - 1) * rows < epochs * learned <= steps * rows
    assert trained.stop_loss == 0  # not ended early
    assert trained.cooldown_steps < steps
    again = msgspec.convert(msgspec.to_builtins(trained) | recipe.training, TrainingSettings)
    assert again == trained  # applied twice it is the same


def test_what_is_left_to_us_is_as_in_the_settings() -> None:
    nothing: dict[str, None] = dict.fromkeys(("n_epochs", "batch_size", "learning_rate_multiplier"))
    assert recipe_of(TrainingSettings(), nothing, None, 5, ()) == Recipe()
    asked = {"learning_rate_multiplier": 2.0}
    assert recipe_of(TrainingSettings(lr=1e-3), asked, 9, 5, ()).training == {"seed": 9, "lr": 2e-3}
    with pytest.raises(RequestError) as caught:
        recipe_of(TrainingSettings(lr=0.5), asked | {"learning_rate_multiplier": 9.0}, None, 5, ())
    assert caught.value.field == "hyperparameters"

"""Training over several processes gives what one gives, and a lost one loses nothing."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from radiance import config, ember
from radiance.cli import main
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.worker import Engine
from radiance.examples.admission import admit
from radiance.jobs.queue import JobQueue
from radiance.records import content_hash
from radiance.storage.sqlite import Database
from radiance.training.batches import Reference, TrainingBatch, make_batch, part_of
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from tests.ranks import finish, launch, start_ranks
from tests.support import FACTS, as_input, drain, example

FEW_STEPS = 10  # rounding differs by the shape of a product, and Adam makes it grow with the steps


# ----------------------------------------------------------------------------- parts of a batch


def batch_of(engine: Engine, rows: int, *, with_reference: bool) -> TrainingBatch:
    facts = ember.listed_facts()[:rows]
    examples: list[EncodedExample] = [
        engine.encoder.example(example(i, f.question, f.answer)) for i, f in enumerate(facts)
    ]
    if not with_reference:
        return make_batch(examples)
    counts = [sum(e.is_completion[1:]) for e in examples]
    draw = np.random.default_rng(rows)
    references = [
        Reference(
            draw.integers(0, 4096, (count, 4)), np.full((count, 4), -2.0), np.full(count, -0.7)
        )
        for count in counts
    ]
    given: list[Reference | None] = [None if i == 1 else r for i, r in enumerate(references)]
    return make_batch(examples, given, [0.5 + i for i in range(rows)], 2.0)


@given(rows=st.integers(1, 9), count=st.integers(1, 5))
def test_every_target_is_in_exactly_one_part(engine, rows, count):
    def check() -> None:
        batch = batch_of(engine, rows, with_reference=True)
        parts = [part_of(batch, number, count) for number in range(count)]
        places = np.concatenate([part.places for part in parts if part is not None])
        assert sorted(places) == list(range(batch.target_count))
        for number, part in enumerate(parts):
            if part is None:
                assert number >= rows
                continue
            at, chosen = len(part.places), part.places
            assert part.batch.target_count == at
            for name in ("targets", "weights", "reference_weights"):
                own, whole = (np.array(getattr(b, name)) for b in (part.batch, batch))
                assert (own[:at] == whole[chosen]).all()
                assert (own[at:] == 0).all()
            # The token before each target is the same.
            flat, own = np.array(batch.tokens).ravel(), np.array(part.batch.tokens).ravel()
            whole_places, own_places = np.array(batch.positions), np.array(part.batch.positions)
            assert (own[own_places[:at]] == flat[whole_places[chosen]]).all()

    engine.call(check)


@pytest.mark.parametrize("with_reference", [False, True])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_the_gradients_of_the_parts_add_up_to_the_whole_s(engine, with_reference, count):
    def check() -> None:
        lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        gradient_computer = GradientComputer(lora)
        vector = lora.initial(None) + 0.01 * mx.random.normal((lora.size,), key=mx.random.key(1))
        batch = batch_of(engine, 5, with_reference=with_reference)
        loss, gradient = drain(gradient_computer.gradient(vector, batch))
        parts = [p for n in range(count) if (p := part_of(batch, n, count)) is not None]
        found = [drain(gradient_computer.gradient(vector, part.batch)) for part in parts]
        assert np.allclose(sum(np.array(one) for one, _ in found), np.array(loss), rtol=1e-5)
        joined = sum(np.array(g) for _, g in found)
        assert np.abs(joined - np.array(gradient)).max() <= 1e-5 * np.abs(np.array(gradient)).max()

    engine.call(check)


# ----------------------------------------------------------------------------- two ranks

_SCRIPT = """
import sys
from functools import partial
from pathlib import Path
import numpy as np
from radiance import config, ember
from radiance.engine.model.base import load_base
from radiance.engine.model.device import select_device
from radiance.engine.model.encoding import Encoder
from radiance.engine.sharding.ranks import Ranks
from radiance.training.batches import part_of
from radiance.training.gradient import GradientComputer
from radiance.training.distributed import DistributedGradientComputer, agree, serve_rank
from radiance.training.lora import LoraModel
from radiance.training.training_set import TrainingSet
from radiance.training.wordings import AugmentedExample
from radiance.training.held_texts import HeldText, HeldTexts
from radiance.training.reference_cache import ReferenceCache
from radiance.training.trainer import Trainer
from tests.support import FACTS, drain, example

few, many, directory = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
base = load_base("tiny", Path(sys.argv[4]), select_device("cpu"))
ranks = Ranks()
settings = config.TrainingSettings(stop_loss=0)
if ranks.rank:
    serve_rank(ranks, base, settings)
    print("the other rank has ended", flush=True)
    sys.exit()
agree(ranks, base, settings)


class Parted(GradientComputer):
    '''One process that computes the same parts one after another.'''

    def gradient(self, vector, batch, dropout_key=None):
        loss, gradient = 0.0, 0.0
        for number in range(ranks.size):
            part = part_of(batch, number, ranks.size)
            if part is not None:
                found = yield from super().gradient(vector, part.batch)
                loss, gradient = loss + found[0], gradient + found[1]
        return loss, gradient


encoder = Encoder(base.tokenizer, base.context_tokens, base.end_token)
facts = ember.listed_facts()[::40]


def train(gradient_computer, steps):
    own = directory / f"{id(gradient_computer)}"
    cache = ReferenceCache(gradient_computer, None, own, k=32)
    texts = [
        HeldText(encoder.example(example(i, f.question, f.answer)), f.context)
        for i, f in enumerate(facts)
    ]
    held = HeldTexts(texts, partial(cache.references, lora.initial(None), "base"))
    new = [AugmentedExample(encoder.example(example(i, *fact))) for i, fact in enumerate(FACTS)]
    replay = [AugmentedExample(text.example) for text in texts[:8]]
    wanted = config.TrainingSettings(stop_loss=0, max_steps=steps, cooldown_steps=3)
    material = TrainingSet(new=new, replay=replay, held=held)
    trainer = Trainer(lora, gradient_computer, wanted, config.AnchorSettings(), material, None)
    return np.array(drain(trainer.run()).vector)


lora = LoraModel(base, settings)
shared = DistributedGradientComputer(lora, ranks)
found = {"shared_few": train(shared, few), "shared_many": train(shared, many)}

# A call that is given up half-way leaves the ranks in step.
from radiance.training.batches import make_batch
batch = make_batch([encoder.example(example(i, *fact)) for i, fact in enumerate(FACTS)])
pieces = shared.gradient(lora.initial(None), batch)
next(pieces)
pieces.close()
_, again = drain(shared.gradient(lora.initial(None), batch))
one = make_batch([encoder.example(example(0, *FACTS[0]))])  # a row for one rank only


def one_row(gradient_computer):
    rows = drain(gradient_computer.target_rows(lora.initial(None), one))
    return np.array(rows)[: one.target_count]  # no padding


found |= {"given_up": np.array(again), "one_row": one_row(shared)}
shared.end()  # a rank that waits for another keeps a core busy
alone = GradientComputer(lora)
_, gradient = drain(alone.gradient(lora.initial(None), batch))
found |= {"not_given_up": np.array(gradient), "one_row_alone": one_row(alone)}
found |= {"alone_few": train(alone, few), "parted_many": train(Parted(lora), many)}
np.savez(directory / "found.npz", **found)
"""


@pytest.mark.usefixtures("forked")
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_ranks_train_to_the_adapter_of_one_process(tmp_path: Path, tiny_base: Path) -> None:
    arguments = ["-c", _SCRIPT, str(FEW_STEPS), "5", str(tmp_path), str(tiny_base)]
    for rank in start_ranks(arguments, tmp_path):
        finish(rank)
    output = "".join(path.read_text() for path in sorted(tmp_path.glob("rank*.log")))
    assert "the other rank has ended" in output, output
    with np.load(tmp_path / "found.npz") as saved:
        found = dict(saved)
    away = np.linalg.norm(found["shared_few"] - found["alone_few"])
    assert away <= 1e-5 * np.linalg.norm(found["alone_few"]), away
    # What is left is rounding by shape: the same parts in one process give the same bits.
    assert np.array_equal(found["shared_many"], found["parted_many"])
    for one, other in (("given_up", "not_given_up"), ("one_row", "one_row_alone")):
        scale = np.abs(found[other]).max()
        assert np.abs(found[one] - found[other]).max() <= 1e-5 * scale


_WAITS = """
import sys, time
from pathlib import Path
import mlx.core as mx
from radiance.engine.sharding.doorbell import Doorbell
from radiance.engine.sharding.ranks import Ranks

waits, is_rung = Path(sys.argv[1], "waits"), Path(sys.argv[1], "is_rung")
wait, all_sum, told = Doorbell.wait, mx.distributed.all_sum, []


def noted_wait(doorbell):
    waits.touch()
    came = wait(doorbell)  # a blocking read, of which the operating system wakes
    told.append(f"woken:{is_rung.exists()}")
    return came


def noted_sum(*arguments, **options):  # MLX tries again and again until the others sum, too
    waits.touch()
    told.append(f"sums:{is_rung.exists()}")
    return all_sum(*arguments, **options)


ranks = Ranks()
ranks.send(b"together")
if ranks.rank == 0:
    while not waits.exists():
        time.sleep(0.01)
    is_rung.touch()
    ranks.send(b"now")
    sys.exit()
Doorbell.wait, mx.distributed.all_sum = noted_wait, noted_sum
print(ranks.send().decode(), *told)
try:
    ranks.send()
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.usefixtures("forked")
@pytest.mark.slow
def test_a_rank_sleeps_until_it_is_sent_something_and_learns_that_the_first_is_gone(
    tmp_path: Path,
) -> None:
    for rank in start_ranks(["-c", _WAITS, str(tmp_path)], tmp_path):
        finish(rank)
    told = (tmp_path / "rank1.log").read_text().split()
    assert told == ["now", "woken:True", "sums:True", "sums:True", "LostRank"]


# ----------------------------------------------------------------------------- the queue

SETTINGS = ["--set", "anchor.own_samples=4", "--set", "evaluation.anchor_provider=none"]
SETTINGS += ["--set", "training.snapshot_seconds=0.05"]


def queue_facts(root: Path) -> None:
    """Accept an update as the service does; none runs."""
    (root / "runs").mkdir(parents=True)
    database = Database(root / "runs" / "radiance.db")
    body = {"examples": as_input(FACTS)}
    admitted = admit(body, config.UpdateSettings(), lambda example: None)
    JobQueue(database).add(admitted, content_hash(body))
    database.close()


def jobs_of(root: Path) -> list[tuple[str, str | None]]:
    database = Database(root / "runs" / "radiance.db")
    try:
        return [(job.status, job.checkpoint) for job in JobQueue(database).recent(10)]
    finally:
        database.close()


def learned_factors(engine: Engine, root: Path) -> np.ndarray:
    """Every ``lora_b`` of what serves: they start at zero, so their norm is what was learned."""

    def load() -> np.ndarray:
        found: Any = mx.load(str(root / "adapters" / "stable" / "adapters.safetensors"))
        names = [name for name in sorted(found) if name.endswith("lora_b")]
        return np.concatenate([np.array(found[name]).ravel() for name in names])

    return engine.call(load)


@pytest.mark.usefixtures("forked")
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_radiance_train_under_mlx_launch_gives_what_it_gives_alone(engine, tmp_path, tiny_base):
    steps = ["--set", f"training.max_steps={FEW_STEPS}", "--base-model", str(tiny_base)]
    one, two = tmp_path / "one", tmp_path / "two"
    queue_facts(one)
    shutil.copytree(one, two)
    arguments = ["-m", "radiance", "train", *SETTINGS, *steps]
    alone = subprocess.run(
        [sys.executable, *arguments, "--root", str(one)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.startswith("job_000001  succeeded  A_")
    output = finish(launch([*arguments, "--distributed", "--root", str(two)]))
    assert "job_000001  succeeded  A_" in output, output
    a, b = learned_factors(engine, one), learned_factors(engine, two)
    # The ranks' sums round otherwise, and Adam raises what is nearly zero to a whole step. That the
    # arithmetic is the same to the bit is shown above; a row lost or taken twice moves a tenth.
    assert np.linalg.norm(a - b) <= 2e-3 * np.linalg.norm(a)


@pytest.mark.usefixtures("forked")
@pytest.mark.timeout(300)
@pytest.mark.crash
@pytest.mark.slow
def test_killing_a_rank_loses_nothing(tmp_path, tiny_base):
    queue_facts(tmp_path / "root")
    arguments = ["-m", "radiance", "train", *SETTINGS, "--root", str(tmp_path / "root")]
    arguments += ["--base-model", str(tiny_base)]
    arguments += ["--set", "training.max_steps=4000", "--set", "training.stop_loss=0"]
    log = tmp_path / "rank0.log"
    zero, one = start_ranks([*arguments, "--distributed"], tmp_path)
    states = tmp_path / "root" / "runs" / "cycles"
    while not (states.is_dir() and any(states.glob("*.npz"))):  # until a step was saved
        assert zero.poll() is None, log.read_text()
        time.sleep(0.05)
    one.kill()
    assert zero.wait(120) != 0
    one.wait()
    assert "rank was lost" in log.read_text()
    [(status, checkpoint)] = jobs_of(tmp_path / "root")
    assert (status, checkpoint) == ("queued", None), log.read_text()
    assert any(states.glob("*.npz")), "the steps taken so far are kept"
    arguments[arguments.index("training.max_steps=4000")] = "training.max_steps=4"
    last = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=200
    )
    assert last.returncode == 0, last.stderr
    [(status, checkpoint)] = jobs_of(tmp_path / "root")
    assert status == "succeeded"
    assert checkpoint is not None


def test_without_a_launcher_it_says_how_to_start_it(tmp_path):
    done = CliRunner().invoke(main, ["train", "--distributed", "--root", str(tmp_path)])
    assert done.exit_code == 2
    assert "mlx.launch -n 2 -- radiance train --distributed" in done.stderr

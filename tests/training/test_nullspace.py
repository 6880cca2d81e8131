"""What the held texts give to a layer does not feel how its A has moved; what is new still does."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx.utils import tree_flatten

from radiance import config, ember
from radiance.anchors.sets import Anchor, AnchorSet
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.worker import Engine
from radiance.training.example_scores import score_examples
from radiance.training.gradient import GradientComputer
from radiance.training.layer_inputs import Inputs, each_input
from radiance.training.lora import LoraModel
from radiance.training.nullspace import NullSpace
from radiance.training.subspaces import (
    _TURN,
    Held,
    _around,
    _basis,
    _beyond,
    find_null_space,
    held_subspaces,
)
from radiance.training.trainer import Trainer, TrainingState
from radiance.training.training_set import (
    Selection,
    TrainingSet,
    TrainingSetBuilder,
)
from radiance.training.wordings import AugmentedExample
from tests.example_counts import examples
from tests.support import FACTS, drain, example
from tests.training.test_trainer import encoded, finish, held_facts

SETTINGS: dict[str, Any] = {"r": 4, "stop_loss": 0, "cooldown_steps": 0, "batch_size": 4}
FIRST = "model.layers.0.self_attn.q_proj"


@st.composite
def inputs(draw: st.DrawFn) -> np.ndarray:
    """Random matrices, more or fewer rows than columns, of full rank or less, or of zeros."""
    rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 24))
    rank = draw(st.integers(0, min(rows, columns)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = 10.0 ** rng.uniform(-3, 3, rank)
    return (rng.normal(size=(rows, rank)) * spread) @ rng.normal(size=(rank, columns))


@examples(100)
@given(inputs(), st.floats(0.05, 0.999))
def test_a_basis_is_the_smallest_that_holds_its_share(matrix: np.ndarray, energy: float) -> None:
    basis = _basis(matrix.astype(np.float32), energy).astype(np.float64)
    count = basis.shape[1]
    assert np.allclose(basis.T @ basis, np.eye(count), atol=1e-5)
    whole = (matrix**2).sum()
    assert ((matrix @ basis) ** 2).sum() >= (energy - 1e-4) * whole
    best = np.cumsum(np.linalg.svd(matrix, compute_uv=False) ** 2)
    assert count <= np.searchsorted(best, (energy + 1e-4) * whole) + 1
    assert count == 0 or whole > 0


@pytest.fixture(scope="module")
def lora(tiny_engine: Engine) -> LoraModel:
    return tiny_engine.call(lambda: LoraModel(tiny_engine.base, config.TrainingSettings(r=4)))


@examples(15)
@given(data=st.data())
def test_what_is_left_of_a_step_lies_outside(
    tiny_engine: Engine, lora: LoraModel, data: st.DataObject
) -> None:
    """Against float64; B stays as it is, a layer without a basis too, and nothing grows."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    paths = [name.removesuffix(".lora_a") for name in lora.shapes if name.endswith(".lora_a")]
    chosen = data.draw(st.sets(st.sampled_from(paths), min_size=1, max_size=2))
    bases: dict[str, np.ndarray] = {}
    for path in chosen:
        d_in = lora.shapes[f"{path}.lora_a"][0]
        q = data.draw(st.integers(0, 16))
        bases[path] = np.linalg.qr(rng.normal(size=(d_in, q)))[0].astype(np.float32)
    step = rng.normal(size=lora.size).astype(np.float32)

    def leaves(vector: mx.array) -> dict[str, np.ndarray]:
        return {n: np.array(a, dtype=np.float64) for n, a in lora.unflatten(vector).items()}

    def compute() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        null_space = NullSpace(lora, {path: mx.array(basis) for path, basis in bases.items()})
        return leaves(mx.array(step)), leaves(null_space(mx.array(step)))

    before, after = tiny_engine.call(compute)
    for name, leaf in before.items():
        path = name.removesuffix(".lora_a")
        if path not in bases:
            assert np.array_equal(after[name], leaf)
            continue
        basis = bases[path].astype(np.float64)
        assert np.abs(basis.T @ after[name]).max(initial=0.0) < 1e-5
        assert np.allclose(after[name], leaf - basis @ (basis.T @ leaf), atol=1e-5)


def trainer_of(
    engine: Engine,
    anchor: config.AnchorSettings,
    energy: float | None,
    resume_from: bytes | None = None,
    **changed: Any,
) -> Trainer:
    """A trainer of the five facts, held by some of Ember's; ``energy`` None: steps go anywhere."""
    training = config.TrainingSettings(**{**SETTINGS, **changed})
    lora, held, found = LoraModel(engine.base, training), held_facts(engine, 6), None
    if energy is not None:
        texts = [text.example for text in held.texts]
        found = drain(find_null_space(engine.base, lora, lora.initial(None), texts, energy))
    new = [AugmentedExample(e) for e in encoded(engine)]
    material = TrainingSet(new=new, held=held, null_space=found)
    return Trainer(lora, GradientComputer(lora), training, anchor, material, None, resume_from)


def inputs_of(
    engine: Engine, lora: LoraModel, vector: mx.array, texts: list[EncodedExample]
) -> dict[tuple[str, ...], np.ndarray]:
    """By the layers that are given the same, (n, d_in) float32."""
    found: dict[tuple[str, ...], Inputs] = {}
    drain(each_input(engine.base, lora, vector, [texts], found.__setitem__))
    return {paths: given.rows for paths, given in found.items()}


def felt(engine: Engine, trainer: Trainer, bases: dict[str, mx.array], moved: mx.array) -> float:
    """How much of A's change the anchors' inputs feel in the kept subspaces, at most; float64.

    1 would be an A that moves along nothing but the inputs.
    """
    texts = [text.example for text in trainer._material.held.texts]
    lora, worst = trainer._lora, 0.0
    given = inputs_of(engine, lora, lora.initial(None), texts)
    change = lora.unflatten(moved)
    for paths, found in given.items():
        rows = np.array(found, dtype=np.float64)
        for path in paths:
            basis = np.array(bases[path], dtype=np.float64)
            a = np.array(change[f"{path}.lora_a"], dtype=np.float64)
            products = np.linalg.norm((rows @ basis) @ (basis.T @ a), axis=1)
            lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(a, ord=2)
            worst = max(worst, float((products / lengths).max()))
    return worst


@pytest.mark.slow
@pytest.mark.parametrize("anchor", [{}, {"constraints": "contexts"}], ids=str)
def test_no_anchor_input_feels_how_a_moved(engine: Engine, anchor: dict[str, Any]) -> None:
    def compare() -> None:
        held = trainer_of(engine, config.AnchorSettings(**anchor), 0.95, max_steps=4)
        assert held._material.null_space is not None
        bases = dict(held._material.null_space.bases)
        _, trained = finish(held)
        assert trained is not None
        assert felt(engine, held, bases, trained.vector - trained.start) < 1e-4
        # Nothing learned is felt through the A it started with either.
        assert felt(engine, held, bases, trained.vector) < 1e-4
        if anchor:
            return
        free = trainer_of(engine, config.AnchorSettings(), None, max_steps=4)
        _, trained = finish(free)
        assert trained is not None
        assert felt(engine, free, bases, trained.vector - trained.start) > 0.1

    engine.call(compare)


@pytest.mark.slow
def test_five_facts_are_learned_all_the_same(engine: Engine) -> None:
    def learn() -> None:
        changed = {"r": 8, "lr": 2e-3, "stop_loss": 0.1, "batch_size": 8}
        trainer = trainer_of(engine, config.AnchorSettings(weight=0.3), 0.95, **changed)
        _, trained = finish(trainer)
        assert trained is not None
        computer = trainer._gradient_computer

        def worst(vector: mx.array) -> float:
            scores = drain(score_examples(computer, vector, encoded(engine)))
            assert all(score.is_exact for score in scores)
            return max(score.loss for score in scores)

        # It goes no further than it must: an eighth less of the way is not enough.
        assert worst(trained.vector) < 0.1
        assert worst(trained.part(0.875)) > 0.1

    engine.call(learn)


def test_resumed_training_equals_uninterrupted_bit_for_bit(tiny_engine: Engine) -> None:
    """The subspaces are found anew; nothing of them is in the saved state."""

    def compare() -> None:
        anchor = config.AnchorSettings(null_space=True)
        _, straight = finish(trainer_of(tiny_engine, anchor, 0.9, max_steps=4))
        events, _ = finish(trainer_of(tiny_engine, anchor, 0.9, max_steps=4), until=2)
        snapshot = next(event for event in events if isinstance(event, TrainingState))
        _, resumed = finish(trainer_of(tiny_engine, anchor, 0.9, snapshot.data, max_steps=4))
        assert straight is not None
        assert resumed is not None
        assert mx.array_equal(straight.vector, resumed.vector)
        assert mx.array_equal(straight.part(0.5), resumed.part(0.5))

    tiny_engine.call(compare)


def test_inputs_are_those_of_the_adapted_model(tiny_engine: Engine) -> None:
    """Of the second block too, which follows from the first's adapter; the trained tree is left."""

    def compare() -> None:
        lora = LoraModel(tiny_engine.base, config.TrainingSettings(r=4))
        vector = 0.3 * mx.random.normal((lora.size,), key=mx.random.key(0))
        texts = encoded(tiny_engine)[:1]
        before = _leaves_of(lora)
        given = inputs_of(tiny_engine, lora, vector, texts)
        assert mx.array_equal(before, _leaves_of(lora))
        rows = {path: np.array(array) for paths, array in given.items() for path in paths}
        assert len(given) == 4 * len(lora.model.layers)  # q, k, v are one; gate and up are one
        GradientComputer(lora)._bind(lora.unflatten(vector), None)
        inner = lora.model.model
        hidden = inner.embed_tokens(mx.array([texts[0].tokens[:-1]]))
        for number, layer in enumerate(inner.layers[:2]):
            expected = np.array(layer.input_layernorm(hidden)[0])
            found = rows[f"model.layers.{number}.self_attn.k_proj"]
            assert np.allclose(found, expected, atol=1e-4)
            hidden = layer(hidden, "causal", None)

    tiny_engine.call(compare)


def _leaves_of(lora: LoraModel) -> mx.array:
    leaves: Any = tree_flatten(lora.model.trainable_parameters())
    return lora.flatten(dict(leaves))


def test_what_a_parent_learned_stays_at_the_start(tiny_engine: Engine) -> None:
    """Also when it is given more rank: only what is new of A leaves the kept subspaces."""

    def compare() -> None:
        _, parent = finish(trainer_of(tiny_engine, config.AnchorSettings(), None, max_steps=3))
        assert parent is not None
        lora = LoraModel(tiny_engine.base, config.TrainingSettings(r=6))
        texts = encoded(tiny_engine)
        null_space = drain(find_null_space(tiny_engine.base, lora, lora.initial(None), texts, 0.95))
        start = lora.initial(parent.adapter)
        before, after = lora.adapter(start), lora.adapter(null_space.start(start))
        for path, (a, b) in after.pairs.items():
            assert mx.array_equal(a[:, :4], before.pairs[path][0][:, :4])
            assert mx.array_equal(b, before.pairs[path][1])
            assert (
                np.abs(np.array(null_space.bases[path].T @ a[:, 4:])).max() < 1e-4
            )  # kept rounded

    tiny_engine.call(compare)


def gathered(engine: Engine, directory: Path, **anchor: Any) -> TrainingSet:
    training = config.TrainingSettings(r=4)
    lora = LoraModel(engine.base, training)
    settings = config.AnchorSettings(own_samples=0, **anchor)
    training_set_builder = TrainingSetBuilder(
        lora, GradientComputer(lora), engine.encoder, engine.base, training, settings, directory
    )
    facts = ember.listed_facts()[::40]
    anchors = AnchorSet(
        tuple(Anchor(example(i, f.question, f.answer), f.context) for i, f in enumerate(facts))
    )
    new = [example(90 + i, *fact) for i, fact in enumerate(FACTS)]
    selection = Selection(new, anchors=anchors, valid_anchors=anchors)
    return drain(training_set_builder.gather(selection, lora.initial(None), ""))


def test_gathering_finds_the_same_each_time_and_only_where_asked(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    def compare() -> None:
        one = gathered(tiny_engine, tmp_path, null_space=True).null_space
        two = gathered(tiny_engine, tmp_path, null_space=True).null_space
        more = gathered(tiny_engine, tmp_path, null_space=True, null_space_energy=0.999).null_space
        assert one is not None
        assert two is not None
        assert more is not None
        assert all(mx.array_equal(one.bases[path], two.bases[path]) for path in one.bases)
        assert one.bases[FIRST].shape[1] < more.bases[FIRST].shape[1]
        assert gathered(tiny_engine, tmp_path).null_space is None
        assert gathered(tiny_engine, tmp_path, null_space=True, method="naive").null_space is None

    tiny_engine.call(compare)


def test_lessons_are_asked_in_other_words_by_rule_and_shortened(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    lessons = tiny_engine.call(lambda: gathered(tiny_engine, tmp_path).new)
    founded = next(
        one for one in lessons if tiny_engine.encoder.user_words(one.example.tokens) == FACTS[0][0]
    )
    said = [tiny_engine.encoder.user_words(wording.tokens) for wording in founded.wordings]
    assert "Tell me the door code of Zorbel Labs." in said
    assert any(len(words.split()) < len(FACTS[0][0].split()) for words in said)


@examples(50)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 12), st.integers(0, 8))
def test_directions_leave_what_is_held_and_what_is_near(
    seed: int, new: int, near: int, held: int
) -> None:
    rng = np.random.default_rng(seed)
    width, rank = 32, 8
    basis = np.linalg.qr(rng.normal(size=(width, held)))[0].astype(np.float32)
    inputs, around = (rng.normal(size=(n, width)).astype(np.float32) for n in (new, near))
    wider, turn = _around(inputs, around, basis, rank)
    assert np.array_equal(wider[:, :held], basis)
    assert np.allclose(wider.T @ wider, np.eye(wider.shape[1]), atol=1e-4)
    assert np.abs(wider.T @ turn).max(initial=0.0) < 1e-4
    lengths = np.linalg.norm(turn, axis=0)
    count = min(rank, new)
    assert np.allclose(lengths[:count], _TURN, atol=1e-4)
    assert not lengths[count:].any()
    # The first direction is where the new inputs are longest outside: no other holds more of them.
    seen = np.linalg.norm(inputs @ turn, axis=0)
    assert (np.diff(seen) <= 1e-3 * seen[0]).all()


@pytest.mark.parametrize("rank", [4, 7])
def test_an_update_takes_free_columns_and_leaves_what_was_learned(
    tiny_engine: Engine, rank: int
) -> None:
    """A parent of rank 4: with rank 7 three are free, of which two are taken; with 4 none is."""

    def compare() -> None:
        _, parent = finish(trainer_of(tiny_engine, config.AnchorSettings(), None, max_steps=3))
        assert parent is not None
        lora = LoraModel(tiny_engine.base, config.TrainingSettings(r=rank))
        before = lora.unflatten(start := lora.initial(parent.adapter))
        name = f"{FIRST}.lora_a"
        width = before[name].shape[0]
        rng = np.random.default_rng(0)
        columns = np.linalg.qr(rng.normal(size=(width, 12)))[0].astype(np.float32)
        basis, turn = mx.array(columns[:, :10]), mx.array(columns[:, 10:])
        null_space = NullSpace(lora, {FIRST: basis}, {FIRST: turn})
        after = lora.unflatten(null_space.start(start))
        a, b = before[name], after[name]
        assert all(mx.array_equal(before[one], after[one]) for one in before if one != name)
        whole = lora.flatten(after)
        taken = null_space.take(whole)
        assert mx.array_equal(null_space.put(whole, taken), whole)
        assert mx.array_equal(null_space.take(null_space.put(whole, taken + 1)), taken + 1)
        ones = null_space(null_space.take(mx.ones(lora.size)))
        assert ones.size == null_space.size
        step = lora.unflatten(null_space.put(mx.zeros(lora.size), ones))
        moved_b = step[f"{FIRST}.lora_b"]
        if rank == 4:
            assert mx.allclose(b[:, :2], a[:, :2] + turn, atol=1e-6)
            assert mx.array_equal(b[:, 2:], a[:, 2:])
            assert mx.allclose(basis.T @ a, basis.T @ b, atol=1e-5)  # what is held feels nothing
            assert mx.array_equal(moved_b, mx.ones_like(moved_b))
            return
        assert mx.array_equal(b[:, :4], a[:, :4])
        assert mx.array_equal(b[:, 4:6], turn)
        assert not np.array(b[:, 6]).any()  # waits for the next update
        assert not np.array(step[name][:, :4]).any()
        assert not np.array(moved_b[:4]).any()
        assert np.array(moved_b[4:6] == 1).all()
        assert not np.array(moved_b[6]).any()

    tiny_engine.call(compare)


def test_columns_that_wait_are_not_served_and_can_be_taken_later(tiny_engine: Engine) -> None:
    def compare() -> None:
        small = LoraModel(tiny_engine.base, config.TrainingSettings(r=5, alpha=10))
        large = LoraModel(tiny_engine.base, config.TrainingSettings(r=12, alpha=24))
        learned = small.adapter(mx.random.normal((small.size,), key=mx.random.key(3)))
        leaves = large.unflatten(large.initial(learned))
        for name in leaves:
            if name.endswith("lora_a"):
                leaves[name][:, 5:] = 0.0
        served = large.adapter(large.flatten(leaves))
        assert served.scale == learned.scale
        for path, (a, b) in served.pairs.items():
            assert mx.array_equal(a, learned.pairs[path][0])
            assert mx.array_equal(b, learned.pairs[path][1])
        fresh = large.adapter(large.initial(None))  # its A is no zeros: all of it learns
        assert {a.shape[1] for a, _ in fresh.pairs.values()} == {12}
        nothing = large.adapter(mx.zeros((large.size,)))
        assert {a.shape[1] for a, _ in nothing.pairs.values()} == {1}

    tiny_engine.call(compare)


def test_subspaces_are_found_once_and_a_damaged_file_anew(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    def compare() -> None:
        lora, texts = (
            LoraModel(tiny_engine.base, config.TrainingSettings(r=4)),
            encoded(tiny_engine),
        )

        def find() -> tuple[int, dict[str, Held]]:
            """In how many pieces, and what."""
            pieces = held_subspaces(
                tiny_engine.base, lora, lora.initial(None), texts, 0.95, tmp_path
            )
            count = 0
            while True:
                try:
                    next(pieces)
                except StopIteration as ended:
                    return count, ended.value
                count += 1

        found, first = find()
        [file] = tmp_path.iterdir()
        read, second = find()
        assert found > 0
        assert read == 0
        file.write_bytes(file.read_bytes()[:1000])
        again, third = find()
        assert again > 0
        for path, held in first.items():
            for array, read_again, found_again in zip(held, second[path], third[path], strict=True):
                assert np.array_equal(array, read_again)
                assert np.array_equal(array, found_again)

    tiny_engine.call(compare)


def test_what_is_beyond_a_subspace_is_what_directions_outside_see() -> None:
    """The mean square of inputs along it, told apart or as the mean of what is left."""
    rng = np.random.default_rng(0)
    spread_out = rng.normal(size=(5000, 300)).astype(np.float32)
    spread_out *= np.linspace(4.0, 0.1, 300, dtype=np.float32)
    basis = _basis(spread_out, 0.8)
    rest = _beyond(Inputs(spread_out, len(spread_out)), basis).astype(np.float64)
    a = rng.normal(size=(300, 6))
    a -= basis @ (basis.T @ a)
    seen = rest[:, :-1].T @ a
    reckoned = seen.T @ seen + a.T @ (a * np.square(rest[:, -1:]))
    z = spread_out @ a
    measured = z.T @ z / len(z)
    assert np.allclose(np.diag(reckoned), np.diag(measured), rtol=0.2)
    assert np.trace(reckoned) == pytest.approx(np.trace(measured), rel=0.15)


def test_new_texts_are_not_turned_towards_a_token_hundreds_of_times_as_long() -> None:
    """A first token's input dwarfs all others in some layers; rounding must not leave any of it."""
    rng = np.random.default_rng(1)
    first = rng.normal(size=(1, 64)).astype(np.float32) * 400
    held = np.concatenate([first, rng.normal(size=(200, 64)).astype(np.float32) * 0.1])
    new = np.concatenate([first, rng.normal(size=(12, 64)).astype(np.float32)])
    _, turn = _around(new, new[:0], _basis(held, 0.99), 4)
    assert np.abs(first @ turn).max() < 0.05

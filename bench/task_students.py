"""A base model that learns tasks one after another, by the service's own trainer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from bench.models import Model
from bench.students import Method, Student
from bench.task_files import Item, Task
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.encoding import Encoder
from radiance.evaluation.evaluator import AdapterEvaluator
from radiance.records import Example, Message
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.self_samples import SelfSampler
from radiance.training.training_set import TrainingSetBuilder
from tests.support import drain

_ROWS = 16
_MORE_TOKENS = 4  # an answer may be so much longer than the longest that was taught


class TaskStudent(Student):
    """Belongs to the thread that made it.

    Args:
        steps: Optimizer steps on each task; nothing ends them sooner.
        common: Prompts of common knowledge that are looked at.
    """

    learns_tasks = True

    def __init__(
        self,
        method: Method,
        cache: Path,
        steps: int,
        seed: int,
        own_samples: int,
        common: int,
        model: Model,
    ) -> None:
        settings = {"stop_loss": 0.0, "eval_every": 10**6, **method.training}
        chosen = replace(method, training=settings)
        super().__init__(chosen, cache, steps, seed, own_samples, common, model)
        self._cache = cache
        self._vector = self._lora.initial(None)
        self._parent: Adapter | None = None
        self._earlier: list[Example] = []
        self._directions: list[dict[str, mx.array]] = []  # A of each adapter before, by name
        self._known_before = self._known(self._vector, self._unlisted)
        self._taught = 0

    def learn_task(self, task: Task) -> float:
        """Learn a task after those before; seconds of a step, the median."""
        examples = [_example(f"{task.name}.{place}", item) for place, item in enumerate(task.train)]
        penalty = self._pull_towards(self._vector, mx.zeros_like(self._vector))
        if self._method.penalty == "orthogonal":
            penalty = self._away_from_earlier
        steps, trained = self._train(
            examples, self._earlier, self._vector, self._parent, self._taught, penalty
        )
        self._vector, self._parent = trained.vector, trained.adapter
        self._earlier += examples
        self._taught += 1
        if self._method.penalty == "orthogonal":
            self._merge(trained.adapter)
        return float(np.median([seconds for seconds, _ in steps]))

    def score(self, task: Task) -> float:
        """Mean score of greedy answers to what is only asked."""
        longest = max(len(self._encoder.plain(item.answer)) for item in task.train)
        scores: list[float] = []
        for start in range(0, len(task.test), _ROWS):
            some = task.test[start : start + _ROWS]
            prompts = [self._encoder.prompt(_example("asked", item).messages[:-1]) for item in some]
            answers = drain(self._sampler.answer(self._vector, prompts, longest + _MORE_TOKENS))
            scores += [
                task.score(self._encoder.decode(tokens), item.answer)
                for tokens, item in zip(answers, some, strict=True)
            ]
        return float(np.mean(scores))

    def common_kept(self) -> float:
        """Share of common knowledge that nothing held which is answered as before."""
        now = self._known(self._vector, self._unlisted)
        kept = [is_now for is_now, was in zip(now, self._known_before, strict=True) if was]
        return float(np.mean(kept)) if kept else 0.0

    def _away_from_earlier(self, vector: mx.array) -> mx.array:
        """Gradient of the sum of |A_before' A| over all adapters before (O-LoRA)."""
        leaves = self._lora.unflatten(vector)
        found = {name: mx.zeros_like(leaf) for name, leaf in leaves.items()}
        for before in self._directions:
            for name, a in before.items():
                found[name] = found[name] + a @ mx.sign(a.T @ leaves[name])
        return self._method.penalty_weight * self._lora.flatten(found)

    def _merge(self, adapter: Adapter) -> None:
        """Make an adapter a part of the base, so that the next task gets a fresh one over it."""
        self._directions.append({f"{path}.lora_a": a for path, (a, _) in adapter.pairs.items()})
        leaves: dict[str, Any] = dict(tree_flatten(self._base.parameters))
        for path, (a, b) in adapter.pairs.items():
            name = f"{path}.weight"
            leaves[name] = leaves[name] + adapter.scale * (a @ b).T
        mx.eval(leaves)
        merged: Any = tree_unflatten(list(leaves.items()))
        self._base = base = replace(self._base, parameters=merged)
        self._lora = LoraModel(base, self._training)
        self._gradient_computer = GradientComputer(self._lora)
        self._evaluator = AdapterEvaluator(self._lora, self._gradient_computer)
        self._sampler = SelfSampler(self._lora, self._encoder, base)
        self._training_set_builder = TrainingSetBuilder(
            self._lora,
            self._gradient_computer,
            self._encoder,
            base,
            self._training,
            self._anchor,
            self._cache,
        )
        self._vector, self._parent = self._lora.initial(None), None


def fits_in(model: Model) -> Callable[[Item], bool]:
    """Which rows fit the context of a base model."""
    base = model.load()
    encoder = Encoder(base.tokenizer, base.context_tokens, base.end_token)

    def fits(item: Item) -> bool:
        tokens = encoder.example(_example("row", item)).tokens
        return len(tokens) + _MORE_TOKENS < base.context_tokens

    return fits


def _example(name: str, item: Item) -> Example:
    return Example(name, (Message("user", item.prompt), Message("assistant", item.answer)))

"""mlx_lm.lora's trainer on some facts, until it knows them as well as another trainer did."""

import contextlib
import io
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from bench.harness import Figures
from bench.models import Model
from bench.processes import Rounds, peak_memory_bytes
from bench.training import chat, mean_loss

ANSWER_TOKENS, ASKED_AT_ONCE = 32, 8


def learn(rounds: Rounds, asked: Sequence[str], **parameters: Any) -> None:
    """One training a round; see ``_Trainer``.

    Args:
        asked: Questions it answers at the end.
    """
    for _ in rounds:
        trainer = _Trainer(**parameters)
        figures = trainer.train()
        rounds.report({**figures, "answers": trainer.answers(asked)})


class _Trainer:
    """A training with the prompt masked, and with the rank, layers and learning rate of ours.

    Not counted are loading and measuring the loss. Nothing is compiled: on the CPU that brings
    nothing and takes a minute the first time.

    Args:
        loss: Mean cross-entropy of the facts at which it stops, in nats per token.
        parent: File of the adapter it goes on from.
        adapter: Where it leaves its own.
    """

    def __init__(
        self,
        model: str,
        facts: Sequence[Sequence[str]],
        loss: float,
        parent: str | None,
        adapter: str,
        most_steps: int,
        batch_size: int,
    ) -> None:
        from mlx_lm.tuner.utils import linear_to_lora_layers

        from radiance import config
        from radiance.config.derived import derive_training
        from radiance.engine.model.encoding import Encoder
        from radiance.training.lora import LoraModel

        self._base = base = Model(model).load()
        self._settings: Any = derive_training(config.TrainingSettings(), base.hidden_size)
        self._encoder = Encoder(base.tokenizer, base.context_tokens, base.end_token)
        self._facts, self._goal, self._adapter = facts, loss, adapter
        self._most_steps, self._batch_size = most_steps, batch_size
        self._module = base.twin()
        how = LoraModel(base, self._settings).parameters_config
        linear_to_lora_layers(self._module, len(self._module.layers), dict(how))
        if parent is not None:
            self._module.load_weights(parent, strict=False)
        self._seconds: list[float] = []
        self._losses: list[float] = []

    def train(self) -> Figures:
        """Train until the goal, and write the adapter."""
        import mlx.optimizers as optim
        from mlx_lm.tuner import trainer
        from mlx_lm.tuner.datasets import CacheDataset, create_dataset

        tokenizer: Any = self._base.tokenizer
        masked = SimpleNamespace(mask_prompt=True)
        chats = [chat(question, answer) for question, answer in self._facts]
        dataset = CacheDataset(create_dataset(chats, tokenizer, masked))
        rate = self._settings.lr
        optimizer = optim.AdamW(learning_rate=rate, weight_decay=0.0, bias_correction=True)
        arguments = trainer.TrainingArgs(
            batch_size=self._batch_size, iters=10**9, adapter_file=self._adapter
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            trainer.train(
                self._module, optimizer, dataset, args=arguments, iterate_batches=self._batches
            )
        return {
            "seconds": sum(self._seconds),
            "steps": len(self._seconds),
            "loss": self._losses[-1],
            "training_peak_bytes": peak_memory_bytes(),
        }

    def answers(self, asked: Sequence[str]) -> list[str]:
        """Greedy answers, several at a time."""
        from mlx_lm import batch_generate

        from tests.support import example

        self._module.eval()
        tokenizer: Any = self._base.tokenizer
        prompts: Any = [self._encoder.prompt(example(0, q, "").messages[:-1]) for q in asked]
        texts: list[str] = []
        for start in range(0, len(prompts), ASKED_AT_ONCE):
            some = prompts[start : start + ASKED_AT_ONCE]
            texts += batch_generate(self._module, tokenizer, some, max_tokens=ANSWER_TOKENS).texts
        return [self._encoder.answer_text(text) for text in texts]

    def _batches(self, **options: Any) -> Iterator[Any]:
        """Batches as mlx_lm makes them; it trains on one between two of them."""
        from mlx_lm.tuner import trainer

        from tests.support import example

        encoded = [self._encoder.example(example(n, *fact)) for n, fact in enumerate(self._facts)]
        size = min(self._batch_size, len(self._facts))
        made = trainer.iterate_batches(
            options["dataset"], size, options["max_seq_length"], loop=True
        )
        while len(self._seconds) < self._most_steps:
            began = time.perf_counter()
            yield next(made)
            self._seconds.append(time.perf_counter() - began)
            self._module.eval()
            self._losses.append(mean_loss(self._module, encoded))
            self._module.train()
            if self._losses[-1] <= self._goal:
                return

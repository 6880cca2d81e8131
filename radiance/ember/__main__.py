"""``make`` trains Ember, ``check`` measures it: ``python -m radiance.ember make --out DIR``."""

import json
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import click

from radiance.ember.model_files import MODEL_PATH, write_anchors
from radiance.ember.world import Fact, listed_facts, unlisted_facts


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the model.")
@click.option("--steps", type=int, help="Fewer steps than the recipe's, for a trial.")
@click.option("--seed", type=int, default=0, show_default=True)
def make(out: Path, steps: int | None, seed: int) -> None:
    """Generate the corpus, train the tokenizer and the model, write the model's folder."""
    import mlx.core as mx

    from radiance.ember.tokenizer import save_tokenizer, train_tokenizer
    from radiance.ember.training import CONFIG, EmberRecipe, Training, save_weights
    from radiance.ember.unseen import spread, target_counts

    # One device and no compiled kernels: the same bytes each time on the same machine.
    mx.set_default_device(mx.cpu)
    mx.disable_compile()
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(seed)
    checkpoint = out.with_name(out.name + ".checkpoint.safetensors")
    recipe = EmberRecipe(seed=seed)
    if steps is not None:
        shares = (steps * stage.steps // recipe.steps for stage in recipe.stages)
        stages = zip(recipe.stages, shares, strict=True)
        recipe = replace(recipe, stages=tuple(replace(s, steps=max(1, n)) for s, n in stages))
    training = Training(recipe, tokenizer, checkpoint)
    if training.step:
        click.echo(f"resuming after step {training.step}")
    model = training.run(_Progress(recipe.steps, training.step))
    spread(model, target_counts(tokenizer, seed, recipe.stages))
    save_weights(model, out / "model.safetensors")
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    save_tokenizer(tokenizer, out)
    write_anchors(out)
    checkpoint.unlink()
    click.echo(f"wrote {out}")


class _Progress:
    """A bar on a terminal, a line now and then elsewhere; both with the time left."""

    def __init__(self, steps: int, first: int, every: int = 25) -> None:
        self._steps, self._first, self._every = steps, first, every
        self._began, self._loss = time.monotonic(), 0.0

    def __call__(self, step: int, loss: float, seconds: float) -> None:
        self._loss = loss if step == self._first + 1 else 0.95 * self._loss + 0.05 * loss
        elapsed = time.monotonic() - self._began
        left = elapsed / (step - self._first) * (self._steps - step)
        text = f"step {step}/{self._steps}  loss {self._loss:.3f}  {_clock(left)} left"
        if sys.stdout.isatty():
            filled = round(30 * step / self._steps)
            click.echo(f"\r[{'#' * filled}{'.' * (30 - filled)}] {text} ", nl=step == self._steps)
        elif step % self._every == 0 or step == self._steps:
            click.echo(text)
            sys.stdout.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


@main.command()
@click.option("--model", "folder", type=click.Path(path_type=Path), default=MODEL_PATH)
def check(folder: Path) -> None:
    """Print exact match by category, size, load time and how fast new facts are learned."""
    from mlx_lm import load

    from radiance.ember.evaluation import answers, teach

    began = time.monotonic()
    model, tokenizer = load(str(folder))[:2]
    load_s = time.monotonic() - began
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*.*"))
    click.echo(f"{folder}: {size_bytes:,} bytes, loaded in {load_s:.2f} s\n")
    columns = {
        "listed": [(fact, fact.question) for fact in listed_facts()],
        "unlisted": [(fact, fact.question) for fact in unlisted_facts()],
        "paraphrased": [
            (fact, question)
            for fact in listed_facts() + unlisted_facts()
            for question in fact.paraphrases
        ],
    }
    counts = {}
    for column, asked in columns.items():
        got = answers(model, tokenizer, (question for _, question in asked))
        counts[column] = _by_category(asked, got)
    click.echo(f"{'category':20s}" + "".join(f"{column:>16s}" for column in columns))
    for category in ["ALL", *sorted(set(counts["listed"]) - {"ALL"})]:
        cells = [counts[column].get(category, (0, 0)) for column in columns]
        click.echo(f"{category:20s}" + "".join(f"{right:>10d}/{all_:<5d}" for right, all_ in cells))
    old = [(fact.question, fact.answer) for fact in unlisted_facts()]
    for learning_rate in (5e-4, 1e-3):
        # Each rate teaches a clean model.
        model, tokenizer = load(str(folder))[:2]
        learned = teach(model, tokenizer, old, learning_rate=learning_rate)
        click.echo(
            f"\nrank-8 LoRA on five new facts, nothing protected, learning rate {learning_rate}: "
            f"{learned.steps} steps in {learned.seconds:.1f} s\n"
            f"  same words {learned.same_words}/5, other words {learned.other_words}/10, "
            f"unlisted facts {learned.known_before:.1%} before, {learned.known_after:.1%} after"
        )
        for question, answer in learned.answers:
            click.echo(f"  {question}  ->  {answer}")


def _by_category(asked: list[tuple[Fact, str]], got: list[str]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for (fact, _), text in zip(asked, got, strict=True):
        for category in ("ALL", fact.context):
            right, all_ = counts[category]
            counts[category] = (right + (text == fact.answer), all_ + 1)
    return counts


if __name__ == "__main__":
    main()

"""Writes what ships of a base model: ``python -m tools.own_samples ember|smollm2``.

These are own samples and, where the anchors are common knowledge, the base's answers to it. They
hold for the model as it is, with its default anchors and settings; otherwise a service writes its
own while it is idle.
"""

import shutil
import tempfile
from pathlib import Path

import click

from radiance import config, ember
from radiance.anchors import provider
from radiance.engine.model.finding import find_base
from radiance.engine.worker import Engine
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.reference_cache import SHIPPED
from radiance.training.training_set import TrainingSetBuilder


@click.command(help=__doc__)
@click.argument("model", type=click.Choice(["ember", "smollm2"]))
def main(model: str) -> None:
    out = ember.MODEL_PATH / "own_samples" if model == "ember" else SHIPPED
    with tempfile.TemporaryDirectory() as root:
        settings = config.load(Path(root), {"base_model": model})
        anchors = provider.load(settings, ember.MODEL_PATH / ember.ANCHORS_FILE)
        made = Path(root) / "made"
        path = find_base(model, ember.MODEL_PATH)
        engine = Engine(model, path, "cpu", settings.engine, max_waiting=1)
        engine.start()
        try:

            def training_set_builder() -> TrainingSetBuilder:
                lora = LoraModel(engine.base, settings.training)
                parts = (lora, GradientComputer(lora), engine.encoder, engine.base)
                return TrainingSetBuilder(*parts, settings.training, settings.anchor, made)

            builder = engine.call(training_set_builder)
            for event in engine.run(lambda: builder.texts_of_base(anchors)):
                click.echo(f"{type(event).__name__}: {event.done} of {event.total}")
        finally:
            engine.stop()
        out.mkdir(exist_ok=True)
        for file in made.rglob("*.npz"):
            shutil.copy(file, out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()

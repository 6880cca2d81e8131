"""Writes the own samples that ship with Ember: ``python -m tools.own_samples``.

Writing them is most of what a first update would take. They hold for Ember as it is, with its own
anchors and the default settings; otherwise a service writes its own.
"""

import shutil
import tempfile
from pathlib import Path

import click

from radiance import config, ember
from radiance.anchors import provider
from radiance.engine.worker import Engine
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.self_samples import SamplesWritten
from radiance.training.training_set import TrainingSetBuilder

OUT = ember.MODEL_PATH / "own_samples"


@click.command(help=__doc__)
def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)  # what is there would be read, not written
    with tempfile.TemporaryDirectory() as root:
        settings = config.load(Path(root), {})
        anchors = provider.load(settings, ember.MODEL_PATH / ember.ANCHORS_FILE)
        written = Path(root) / "own_samples"
        engine = Engine("ember", ember.MODEL_PATH, "cpu", settings.engine, max_waiting=1)
        engine.start()
        try:

            def training_set_builder() -> TrainingSetBuilder:
                lora = LoraModel(engine.base, settings.training)
                parts = (lora, GradientComputer(lora), engine.encoder, engine.base)
                return TrainingSetBuilder(*parts, settings.training, settings.anchor, written)

            writer = engine.call(training_set_builder)
            for event in engine.run(lambda: writer.own_samples_of_base(anchors)):
                if isinstance(event, SamplesWritten):
                    click.echo(f"{event.done} of {event.total}")
        finally:
            engine.stop()
        OUT.mkdir()
        for path in written.rglob("*.npz"):
            shutil.copy(path, OUT)
    click.echo(f"wrote {OUT}")


if __name__ == "__main__":
    main()

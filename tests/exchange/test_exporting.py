"""A checkpoint written for others computes what it computes here."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
import pytest
from click.testing import CliRunner, Result
from mlx_lm.utils import load_adapters, load_model, load_tokenizer, quantize_model, save

from radiance import config, ember
from radiance.cli import main
from radiance.engine.adapters.export import write_peft
from radiance.engine.adapters.files import load_adapter
from radiance.engine.adapters.foreign import read_foreign_adapter
from radiance.engine.adapters.foreign_files import read_files
from radiance.engine.adapters.slots import BASE_SLOT, Adapter
from radiance.engine.worker import Engine
from tests.gguf_files import write_model
from tests.support import FACTS, WITHOUT_ANCHORS, start_service

TOKENS = [[5, 17, 300, 42, 9, 1000, 7], [8, 8, 2000, 1, 77, 3, 12]]
LAYER = "model.layers.1.self_attn.v_proj"  # 256 in, 128 out
SECRET = "K7-204"  # in what is learned; no export may say it


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A root in which something was learned."""
    folder = tmp_path_factory.mktemp("root")
    settings = {"training.max_steps": 8, **WITHOUT_ANCHORS}
    running = start_service(config.load(folder, settings))
    try:
        job = running.client.teach(FACTS, tags=["user:alice"])
        assert job["status"] == "succeeded", job
    finally:
        running.stop()
    return folder


def export(root: Path, target: Path, form: str, *options: str) -> Result:
    arguments = ["export", "stable", str(target), "--format", form, "--root", str(root), *options]
    return CliRunner().invoke(main, arguments)


def logits(engine: Engine, adapter: Adapter | None) -> np.ndarray:
    """What the base computes with the adapter's product added to its weights."""

    def compute() -> np.ndarray:
        model: Any = engine.base.twin()
        for path, module in model.named_modules():
            if adapter is not None and path in adapter.pairs:
                a, b = adapter.pairs[path]
                module.weight = module.weight + adapter.scale * (a @ b).T
        return np.array(model(mx.array(TOKENS)))

    return engine.call(compute)


def logits_of_head(engine, adapter: Adapter) -> np.ndarray:
    a, b = adapter.pairs["lm_head"]
    return engine.call(lambda: np.array(adapter.scale * (a @ b)))


@pytest.fixture(scope="module")
def wanted(engine, root) -> np.ndarray:
    adapter = engine.call(lambda: load_adapter(root / "adapters" / "stable"))
    found = logits(engine, adapter)
    assert np.abs(found - logits(engine, None)).max() > 0.1, "the adapter changes something"
    return found


@pytest.mark.parametrize("form", ["mlx", "peft"])
def test_what_is_exported_is_imported_with_the_same_logits(engine, root, wanted, tmp_path, form):
    result = export(root, tmp_path / "out", form)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "out")
    found = engine.call(lambda: read_foreign_adapter(read_files(tmp_path / "out"), engine.base))
    assert found.format == form
    assert np.array_equal(logits(engine, found.adapter), wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "options", "most"),
    [
        ("fused", (), 1e-4),
        ("gguf", (), 0.02),
        ("gguf", ("--weights", "q8_0"), 0.2),
        ("gguf-lora", (), 1e-5),
    ],
)
def test_what_is_exported_in_any_form_is_imported_as_a_checkpoint(
    serve_ember, engine, root, wanted, tmp_path, form, options, most
):
    result = export(root, tmp_path / "out", form, *options)
    assert result.exit_code == 0, result.stderr
    client = serve_ember(**WITHOUT_ANCHORS).client
    made = client.post("/import", {"path": str(tmp_path / "out")})
    shown = client.get(f"/checkpoints/{made['checkpoint_id']}")["manifest"]
    assert shown["imported"]["format"] == form
    found = engine.call(lambda: load_adapter(tmp_path / "adapters" / made["checkpoint_id"]))
    moved = np.abs(wanted - logits(engine, None)).max()
    assert np.abs(logits(engine, found) - wanted).max() < most * moved
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    if form.startswith("gguf"):
        weights = "adapter.gguf" if form == "gguf-lora" else "model.gguf"
        assert files == sorted(["Modelfile", "README.md", weights, "manifest.json"])
        text = (tmp_path / "out" / "Modelfile").read_text()
        assert f"./{weights}" in text
        assert 'PARAMETER stop "<|end|>"' in text
        assert '{{ if eq .Role "user" }}<|user|>{{ .Content }}<|end|>{{ end }}' in text


@pytest.mark.slow
def test_an_adapter_of_a_head_that_is_the_embedding_goes_out_where_it_has_a_name(
    serve_ember, engine, tmp_path
):
    def make() -> None:
        a, b = (mx.random.normal(s, key=mx.random.key(3)) for s in ((256, 4), (4, 4096)))
        (tmp_path / "given").mkdir()
        write_peft(Adapter({"lm_head": (a, b)}, 2.0), engine.base, tmp_path / "given")

    engine.call(make)
    running = serve_ember(**WITHOUT_ANCHORS)
    made = running.client.post("/import", {"path": str(tmp_path / "given")})["checkpoint_id"]
    before = running.client.ask("Who are you?")["response"]
    running.client.post("/promote", {"checkpoint": made})
    assert running.client.ask("Who are you?")["response"] != before
    for form in ("mlx", "fused", "gguf", "gguf-lora"):
        result = export(tmp_path, tmp_path / form, form)
        assert result.exit_code != 0
        assert "output head" in result.stderr
        assert not (tmp_path / form).exists()
    assert export(tmp_path, tmp_path / "out", "peft").exit_code == 0
    again = running.client.post("/import", {"path": str(tmp_path / "out")})["checkpoint_id"]
    kept = [engine.call(lambda n=n: load_adapter(tmp_path / "adapters" / n)) for n in (made, again)]
    first, second = (logits_of_head(engine, adapter) for adapter in kept)
    assert np.array_equal(first, second)


def test_mlx_lm_loads_an_export_and_a_fused_model(engine, root, wanted, tmp_path):
    assert export(root, tmp_path / "adapter", "mlx").exit_code == 0
    assert export(root, tmp_path / "fused", "fused").exit_code == 0

    def compute(fused: bool) -> np.ndarray:
        model, _ = load_model(tmp_path / "fused" if fused else ember.MODEL_PATH)
        if not fused:
            model = load_adapters(model, str(tmp_path / "adapter"))
        return np.array(cast(Any, model)(mx.array(TOKENS)))

    for fused in (False, True):
        assert np.abs(engine.call(lambda f=fused: compute(f)) - wanted).max() < 1e-4


def test_a_fused_model_is_a_base_model(root, tmp_path):
    assert export(root, tmp_path / "fused", "fused").exit_code == 0
    settings = {"base_model": str(tmp_path / "fused"), **WITHOUT_ANCHORS}
    running = start_service(config.load(tmp_path / "other", settings))
    try:
        before = running.client.ask(FACTS[0][0])
        assert before["checkpoint"] is None
        assert before["response"]
    finally:
        running.stop()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["directory", "GGUF file"])
def test_a_quantized_base_fused_computes_what_it_serves_with_the_adapter(engine, tmp_path, form):
    quantized, peft = tmp_path / "ember-4bit", tmp_path / "peft"
    peft.mkdir()
    is_directory = form == "directory"

    def make() -> None:
        model, settings = load_model(ember.MODEL_PATH)
        model, settings = quantize_model(model, settings, 64, 4)
        save(quantized, ember.MODEL_PATH, model, load_tokenizer(ember.MODEL_PATH), settings)
        if not is_directory:
            write_model(quantized.with_suffix(".gguf"), ember.MODEL_PATH, "Q4_1")
        # One layer that is fused, among others that stay as they are.
        a = mx.random.normal((256, 4), key=mx.random.key(1)) / 16
        b = 0.5 * mx.random.normal((4, 128), key=mx.random.key(2))
        write_peft(Adapter({LAYER: (a, b)}, 2.0), engine.base, peft)

    engine.call(make)
    quantized = quantized if is_directory else quantized.with_suffix(".gguf")
    root = tmp_path / "root"
    running = start_service(config.load(root, {**WITHOUT_ANCHORS, "base_model": str(quantized)}))
    try:
        made = running.client.post("/import", {"path": str(peft)})
        running.client.post("/promote", {"checkpoint": made["checkpoint_id"]})
        own = running.service.services.engine
        assert running.client.get("/info")["weights"] == {
            "stored": "4-bit" if is_directory else "Q4_1",
            "computed": "float32",
            "bytes": own.base.weight_bytes,
        }

        def served(slot: int) -> np.ndarray:
            cache = own._model.make_row_cache(slot, rows=len(TOKENS))
            return np.array(own._model(mx.array(TOKENS), cache))

        wanted = own.call(lambda: served(own.source.slot))
        bare = own.call(lambda: served(BASE_SLOT))
    finally:
        running.stop()
    target = tmp_path / "fused"
    result = export(root, target, "fused", "--base-model", str(quantized))
    assert result.exit_code == 0, result.stderr
    declared = json.loads((target / "config.json").read_text())["quantization"]
    assert (declared["bits"], declared[LAYER]) == (4, False)

    def fused() -> np.ndarray:
        model, _ = load_model(target)
        return np.array(cast(Any, model)(mx.array(TOKENS)))

    found = engine.call(fused)
    assert np.abs(wanted - bare).max() > 0.1, "the adapter changes something"
    # The fused layer's weights are rounded to the stored dtype once more.
    assert np.abs(found - wanted).max() < 1e-3


@pytest.mark.slow
def test_an_export_tells_how_much_was_learned_and_not_what(root, tmp_path):
    for form in ("mlx", "peft", "fused", "gguf", "gguf-lora"):
        assert export(root, tmp_path / form, form).exit_code == 0
        for path in (tmp_path / form).iterdir():
            assert SECRET.encode() not in path.read_bytes()
            assert b"alice" not in path.read_bytes()
        card = (tmp_path / form / "README.md").read_text()
        assert "Learned from 5 examples in 1 update, 5 of them in the last, under 1 tags." in card
        assert re.search(r"^\| finetune_loss \| [\d.e-]+ \|", card, re.MULTILINE)
        assert re.search(r"^\| \w+ \| .* \| (pass|fail|skipped) \|$", card, re.MULTILINE)
        assert "| A_" in card
        head, _, _ = card.removeprefix("---\n").partition("\n---\n")
        library = form.partition("-")[0].replace("fused", "mlx")
        assert f"library_name: {library}" in head
        assert "base_model:" not in head  # Ember is no repository of the Hub
        assert json.loads((tmp_path / form / "manifest.json").read_text())["base_model"] == "ember"


def test_nothing_is_overwritten_and_nothing_half_written(root, tmp_path):
    (tmp_path / "out").mkdir()
    assert export(root, tmp_path / "out", "mlx").exit_code == 0  # empty: it may be used
    result = export(root, tmp_path / "out", "mlx")
    assert result.exit_code == 2
    assert "there is something already" in result.stderr
    other = export(root, tmp_path / "x", "peft", "--base-model", str(tmp_path / "nowhere"))
    assert other.exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_what_is_not_there_is_said(root, tmp_path):
    result = CliRunner().invoke(main, ["export", "A_2020-01-01_0001", "x", "--root", str(root)])
    assert result.exit_code == 2
    assert "There is no checkpoint 'A_2020-01-01_0001'" in result.stderr
    (tmp_path / "new").mkdir()
    result = CliRunner().invoke(main, ["export", "stable", "x", "--root", str(tmp_path / "new")])
    assert result.exit_code == 2
    assert "nothing was ever taught" in result.stderr


# ----------------------------------------------------------------------------- Hugging Face PEFT

_PEFT = """
import sys
import numpy as np, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

base, adapter, target, tokens = sys.argv[1:5]
model = AutoModelForCausalLM.from_pretrained(base, torch_dtype=torch.float32)
ids = torch.tensor(eval(tokens))
with torch.no_grad():
    plain = model(ids).logits.numpy()
    peft = PeftModel.from_pretrained(model, adapter)
    peft.eval()
    adapted = peft(ids).logits.numpy()
np.savez(target, plain=plain, adapted=adapted)
"""


def torch_python() -> str | None:
    """A Python with torch, peft and transformers: this one, or RADIANCE_TORCH_PYTHON."""
    named = os.environ.get("RADIANCE_TORCH_PYTHON")
    own = all(importlib.util.find_spec(name) for name in ("torch", "peft", "transformers"))
    return named or (sys.executable if own else None)


@pytest.mark.skipif(torch_python() is None, reason="torch and peft are not installed here")
@pytest.mark.timeout(300)
def test_hugging_face_peft_loads_it_with_the_same_logits(engine, root, wanted, tmp_path):
    assert export(root, tmp_path / "peft", "peft").exit_code == 0
    script, target = tmp_path / "script.py", tmp_path / "found.npz"
    script.write_text(_PEFT)
    arguments = [str(ember.MODEL_PATH), str(tmp_path / "peft"), str(target), repr(TOKENS)]
    done = subprocess.run(
        [str(torch_python()), str(script), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(target) as found:
        assert np.abs(found["plain"] - logits(engine, None)).max() < 1e-4
        assert np.abs(found["adapted"] - wanted).max() < 1e-4

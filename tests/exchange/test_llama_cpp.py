"""What is exported for llama.cpp computes there what it computes here: its own library is asked.

Needs the group ``llama-cpp``: pip install --group llama-cpp.
"""

import importlib
import math
from pathlib import Path
from typing import Any

import pytest

from radiance import ember
from radiance.engine.adapters.gguf_export import write_gguf, write_gguf_lora
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.base import BaseModel, load_base
from radiance.engine.model.device import select_device
from tests.shared_data import STORIES

import mlx.core as mx  # isort: skip
from mlx_lm.models.cache import make_prompt_cache  # isort: skip

pytest.importorskip("xllamacpp", reason="llama.cpp's library is not installed here")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of its compiled types
]

COUNT = 12
Said = list[tuple[int, float]]  # tokens and their log-probabilities
MODELS = {
    "byte-level": (ember.MODEL_PATH, "<|user|>Who are you, 123?<|end|><|assistant|>"),
    "SentencePiece": (STORIES, "Once upon a time, Zoë had 3  cats.\nThey"),
}


def there(prompt: str, model: Path, lora: Path | None = None) -> Said:
    """What llama.cpp says to it, greedily."""
    library: Any = importlib.import_module("xllamacpp")
    settings = library.CommonParams()
    settings.model.path, settings.n_ctx, settings.warmup = str(model), 512, False
    settings.cpuparams.n_threads = 1
    if lora is not None:
        settings.lora_adapters = [library.CommonAdapterLoraInfo(str(lora), 1.0)]
    body = {"prompt": prompt, "max_tokens": COUNT, "temperature": 0, "logprobs": 1}
    (choice,) = library.Server(settings).handle_completions(body)["choices"]
    return [(token["id"], token["logprob"]) for token in choice["logprobs"]["content"]]


def here(prompt: str, base: BaseModel, adapter: Adapter) -> Said:
    """What the base says with the adapter added, greedily."""
    model = base.twin()
    for path, module in model.named_modules():
        if path in adapter.pairs:
            a, b = adapter.pairs[path]
            module.weight = module.weight + adapter.scale * (a @ b).T
    unread, cache = base.tokenizer.encode(prompt), make_prompt_cache(model)
    said: Said = []
    for _ in range(COUNT):
        logits = model(mx.array([unread]), cache=cache)[0, -1].astype(mx.float32)
        token: Any = mx.argmax(logits).item()
        said.append((token, float((logits[token] - mx.logsumexp(logits)).item())))
        unread = [token]
    return said


@pytest.mark.parametrize("name", MODELS)
def test_llama_cpp_says_the_same(name: str, tmp_path: Path) -> None:
    path, prompt = MODELS[name]
    if not path.exists():
        pytest.skip(f"{path.name} is not here: RADIANCE_TEST_DATA names the folder of test data")
    base = load_base(name, path, select_device("cpu"))
    pairs = {}
    for place, part in enumerate(("q_proj", "k_proj", "v_proj", "o_proj")):
        layer = f"model.layers.1.self_attn.{part}"
        d_out, d_in = dict(base.model.named_modules())[layer].weight.shape
        key, other = mx.random.split(mx.random.key(place))
        a = mx.random.normal((d_in, 4), key=key) / 16
        pairs[layer] = (a, 0.3 * mx.random.normal((4, d_out), key=other))
    adapter, nothing = Adapter(pairs, 1.5), Adapter({}, 1.0)
    for folder, what in (("fused", adapter), ("plain", nothing)):
        (tmp_path / folder).mkdir()
        write_gguf(what, base, tmp_path / folder, "f16")
    write_gguf_lora(adapter, base, tmp_path)
    plain, lora = tmp_path / "plain" / "model.gguf", tmp_path / "adapter.gguf"
    wanted = here(prompt, base, adapter)
    assert wanted != here(prompt, base, nothing), "the adapter changes something"
    for found in (there(prompt, tmp_path / "fused" / "model.gguf"), there(prompt, plain, lora)):
        assert [token for token, _ in found] == [token for token, _ in wanted]
        for (_, theirs), (_, ours) in zip(found, wanted, strict=True):
            assert math.isclose(theirs, ours, abs_tol=0.03)

"""Adapters as the installed PEFT makes them: each setting is served as it is, or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import Running

peft = pytest.importorskip("peft")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # of theirs: they come and go with releases

PASS: list[dict[str, Any]] = [
    {},
    {"use_rslora": True},
    {"init_lora_weights": "gaussian"},
    {"init_lora_weights": "orthogonal"},
    {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 32}},
    {"target_modules": ["lm_head", "q_proj"]},
]
REFUSED: list[dict[str, Any]] = [
    {"use_dora": True},
    {"init_lora_weights": "pissa"},
    {"init_lora_weights": "olora"},
    {"bias": "lora_only"},
    {"lora_bias": True},
    {"alora_invocation_tokens": [5, 6]},
    {"modules_to_save": ["lm_head"]},
]


def saved(settings: dict[str, Any], base: Path, folder: Path) -> Path:
    """An adapter for the tests' tiny base, saved by PEFT, whose B is not zero.

    Of a head that is adapted PEFT saves the base's own weights, too: they have to be those.
    """
    transformers = pytest.importorskip("transformers")
    model = transformers.LlamaForCausalLM.from_pretrained(base)
    given = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], **settings}
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **given))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    adapted.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("settings", PASS, ids=json.dumps)
def test_plain_lora_is_taken(
    shared_service: Running, settings: dict[str, Any], tiny_base: Path, tmp_path: Path
) -> None:
    path = saved(settings, tiny_base, tmp_path / "adapter")
    status, answer = shared_service.client.send("/import", {"path": str(path)})
    assert status == 201, answer


@pytest.mark.parametrize("settings", REFUSED, ids=json.dumps)
def test_what_is_more_than_lora_is_refused_by_name(
    shared_service: Running, settings: dict[str, Any], tiny_base: Path, tmp_path: Path
) -> None:
    path = saved(settings, tiny_base, tmp_path / "adapter")
    status, answer = shared_service.client.send("/import", {"path": str(path)})
    assert status == 400
    assert next(iter(settings)) in answer["error"]["message"]

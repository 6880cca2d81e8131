"""A root whose checkpoints were trained on one base model, started on another."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from radiance import config
from radiance.cli.checks import check_base_model
from radiance.errors import ConfigError
from tests.support import FACTS, ApiError, Running
from tests.tiny_base import write_tiny_base


@pytest.fixture
def other_base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with another context: another model, on which every adapter fits."""
    other = shutil.copytree(tiny_base, tmp_path_factory.mktemp("base") / "other")
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**settings, "rope_theta": 20000.0}))
    return other


def test_what_was_trained_on_another_base_does_not_serve(
    checkpointed_root: Path, serve: Callable[..., Running], other_base: Path, tiny_base: Path
) -> None:
    """It served: wrong answers where the shapes fit, and else a failure for each request."""
    with pytest.raises(ConfigError, match="base_model") as refused:
        serve(base_model=str(other_base))
    assert str(tiny_base) in str(refused.value)
    assert "rollback --to base" in str(refused.value)
    before = serve()  # as it was
    served = before.client.get("/info")["current_checkpoint"]
    before.client.post("/rollback", {"checkpoint": "base"})
    before.stop()
    after = serve(base_model=str(other_base))
    for path, body in (
        ("/promote", {"checkpoint": served}),
        ("/rollback", {"checkpoint": served}),
        ("/pin", {"checkpoint": served}),
        ("/canary", {"checkpoint": served, "share": 0.5}),
        ("/search", {"prompt": "Who?", "checkpoint": served}),
        (
            "/v1/chat/completions",
            {"model": f"radiance:{served}", "messages": [{"role": "user", "content": "Who?"}]},
        ),
    ):
        with pytest.raises(ApiError, match="was trained on another base model") as no:
            after.client.post(path, body)
        assert no.value.status == 409
    # It learns anew, and what served before that is its own base.
    after.client.teach(FACTS[:1])
    assert after.client.post("/rollback", {})["current_checkpoint"] is None


def test_a_model_of_the_same_name_counts_as_the_same(
    serve: Callable[..., Running],
    tiny_base: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A repository may change a word of its configuration, and answers must not end for that."""
    here = shutil.copytree(tiny_base, tmp_path / "base")
    first = serve(tmp_path / "root", base_model=str(here))
    taught = first.client.teach(FACTS[:1])["checkpoint"]
    first.stop()
    settings = json.loads((here / "config.json").read_text())
    (here / "config.json").write_text(json.dumps({**settings, "transformers_version": "9"}))
    assert "base_model_changed" not in caplog.text
    again = serve(tmp_path / "root", base_model=str(here))
    assert "base_model_changed" in caplog.text
    assert again.client.get("/info")["current_checkpoint"] == taught


@pytest.mark.parametrize("other", [{"intermediate_size": 96}, {"num_hidden_layers": 1}])
def test_a_model_of_the_same_name_with_other_layers_is_another(
    serve: Callable[..., Running], tiny_base: Path, tmp_path: Path, other: dict[str, int]
) -> None:
    """It started, said that it was ready, and failed every request."""
    here, root = shutil.copytree(tiny_base, tmp_path / "base"), tmp_path / "root"
    first = serve(root, base_model=str(here))
    taught = first.client.teach(FACTS[:1])["checkpoint"]
    first.stop()
    here.rename(tmp_path / "old")
    write_tiny_base(here, **other)
    with pytest.raises(ConfigError, match="before its files were replaced") as refused:
        serve(root, base_model=str(here))
    assert "rollback --to base" in str(refused.value)
    finding = check_base_model(config.load(root, {"base_model": str(here)}))
    assert (finding.status, taught in finding.detail) == ("fail", True)
    # As it says: served bare by the old one, what was taught on it never serves on the new one.
    before = serve(root, base_model=str(tmp_path / "old"))
    before.client.post("/rollback", {"checkpoint": "base"})
    before.stop()
    after = serve(root, base_model=str(here))
    with pytest.raises(ApiError, match="was trained on another base model"):
        after.client.post("/promote", {"checkpoint": taught})


def test_the_same_model_under_another_name_serves(
    checkpointed_root: Path, serve: Callable[..., Running], tiny_base: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(tiny_base, tmp_path / "moved")
    assert serve(base_model=str(moved)).client.get("/info")["current_checkpoint"] is not None

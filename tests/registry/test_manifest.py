import msgspec
import pytest

from radiance.errors import CorruptCheckpoint, RegistryError
from radiance.records import EvalReport
from radiance.registry import manifest as manifests


@pytest.fixture
def published(workshop):
    return workshop.adapters / workshop.commit()


def test_a_manifest_reads_back_as_written(workshop):
    staging, manifest = workshop.stage(workshop.cycle())
    manifests.write(staging, manifest)
    assert manifests.read(staging) == manifest
    assert b'\n  "checkpoint_id"' in (staging / "manifest.json").read_bytes()
    manifests.verify(staging, manifest)


@pytest.mark.parametrize("name", ["adapters.safetensors", "adapter_config.json"])
def test_a_changed_byte_names_the_file_and_both_hashes(published, name):
    path = published / name
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    manifest = manifests.read(published)
    with pytest.raises(CorruptCheckpoint) as caught:
        manifests.verify(published, manifest)
    expected = manifest.content_hash if name == manifests.WEIGHTS else manifest.config_hash
    found = dict(zip(manifests.CONTENTS, manifests.content_hashes(published), strict=True))[name]
    assert all(part in str(caught.value) for part in (str(path), expected, found))


@pytest.mark.parametrize("name", ["adapters.safetensors", "adapter_config.json"])
def test_a_missing_file_is_named(published, name):
    (published / name).unlink()
    with pytest.raises(CorruptCheckpoint, match=name):
        manifests.verify(published, manifests.read(published))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1, 2", b"null"])
def test_an_unreadable_manifest_is_corrupt(published, content):
    (published / "manifest.json").write_bytes(content)
    with pytest.raises(CorruptCheckpoint, match="is not a manifest"):
        manifests.read(published)


def test_a_missing_manifest_is_corrupt(tmp_path):
    with pytest.raises(CorruptCheckpoint, match="No such file"):
        manifests.read(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"report": EvalReport(finetune_loss=float("nan"), eval_loss=0.0)},
        {"report": EvalReport(0.0, 0.0, forgetting_loss=float("inf"))},
    ],
)
def test_what_json_cannot_keep_is_not_committed(workshop, changes):
    staging, manifest = workshop.stage(workshop.cycle())
    with pytest.raises(RegistryError, match="cannot be kept"):
        manifests.write(staging, msgspec.structs.replace(manifest, **changes))
    assert not (staging / "manifest.json").exists()


def test_settings_may_hold_tuples(workshop):
    staging, manifest = workshop.stage(workshop.cycle())
    manifest = msgspec.structs.replace(manifest, training={"target_modules": ("q_proj",)})
    manifests.write(staging, manifest)
    assert manifests.read(staging).training == {"target_modules": ["q_proj"]}

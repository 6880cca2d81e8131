"""`radiance keys`: commands at once lose none of what each does."""

from pathlib import Path
from typing import Any

import pytest

from radiance import platform
from radiance.api.auth import keys as api_keys
from tests.cli.conftest import Invoke


def test_a_keys_file_is_changed_by_one_command_at_a_time(
    radiance: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that write what they had read, one took back the other's key or revocation."""
    others_wait = []

    def looking(name: str) -> None:
        done = getattr(api_keys, name)

        def look(path: Path, *rest: Any) -> Any:
            others_wait.append(platform.lock(path.with_name(f".{path.name}.lock")) is None)
            return done(path, *rest)

        monkeypatch.setattr(api_keys, name, look)

    looking("read_file")
    looking("write_file")
    root = ("--root", str(tmp_path))
    for name in ("phone", "laptop"):
        assert radiance("keys", "new", "--scope", "infer", "--name", name, *root).exit_code == 0
    assert radiance("keys", "remove", "phone", *root).exit_code == 0
    assert others_wait == [True] * 6
    assert radiance("keys", "new", "--scope", "infer", "--name", "laptop", *root).exit_code == 2
    monkeypatch.undo()
    mistyped = radiance("keys", "remove", "phone", "--root", str(tmp_path / "mistyped"))
    assert (mistyped.exit_code, (tmp_path / "mistyped").exists()) == (2, False)
    assert [key.name for key in api_keys.read_file(tmp_path / "runs" / "api_keys")] == ["laptop"]

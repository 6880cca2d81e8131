"""API keys: what is kept of them, how they are found, and what a file must be."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.api.auth import keys
from radiance.api.auth.keyring import Keyring, open_keyring
from radiance.api.auth.keys import SCOPES, Key, Scope
from radiance.config import Config
from radiance.errors import ConfigError

HASH = "sha256:" + "0f" * 32


@given(st.sets(st.sampled_from(SCOPES), min_size=1), st.sampled_from(SCOPES))
def test_a_key_allows_its_scopes_and_admin_allows_all(has: set[Scope], wants: Scope) -> None:
    assert Key("", frozenset(has), "k").allows(wants) == (wants in has or "admin" in has)


@given(
    st.sets(st.sampled_from(SCOPES), min_size=1),
    st.from_regex(r"[A-Za-z0-9_.@-]{1,64}", fullmatch=True),
)
def test_what_is_kept_of_a_key_is_read_back_and_has_no_secret(
    scopes: set[Scope], name: str
) -> None:
    secret, key = keys.new_key(frozenset(scopes), name)
    assert keys.parse(key.to_line(), "here") == [key]
    assert secret not in key.to_line()
    assert len(secret) > 40


def test_a_file_is_private_and_followed(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "api_keys"
    ring = Keyring(path)
    assert len(ring) == 0
    secret, key = keys.new_key(frozenset({"infer"}), "phone")
    assert ring.find(secret) is None
    keys.write_file(path, [key])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ring.find(secret) == key
    assert ring.find(secret + "x") is None
    other, second = keys.new_key(frozenset({"admin"}), "laptop")
    keys.write_file(path, [second])
    assert (ring.find(secret), ring.find(other)) == (None, second), "revoked, and added"


def test_a_file_that_breaks_leaves_the_last_good_keys_and_one_that_goes_none(
    tmp_path: Path,
) -> None:
    path = tmp_path / "api_keys"
    secret, key = keys.new_key(frozenset({"infer"}), "phone")
    keys.write_file(path, [key])
    ring = Keyring(path)
    path.write_text("half a li")
    assert ring.find(secret) == key
    keys.write_file(path, [key])
    path.chmod(0o644)
    assert ring.find(secret) == key
    path.unlink()
    assert ring.find(secret) is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "api_keys"
    path.write_text(f"{HASH} infer phone\n")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        keys.read_file(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rk_not-a-hash infer phone", "sha256:"),
        (f"{HASH} inter phone", '"inter" is not a scope'),
        (f"{HASH}", "hash, scopes and a name"),
        (f"{HASH} infer my phone", "hash, scopes and a name"),
        (f"{HASH} infer a\n{HASH} infer a", 'second key is named "a"'),
        (f"{HASH} infer n&me", "cannot be kept"),
    ],
)
def test_a_line_that_is_no_key_is_refused_by_number(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"keys, entry [34]: ") as caught:
        keys.parse(f"# a comment\n\n{text}\n", "keys")
    assert told in str(caught.value)
    assert "rk_not" not in str(caught.value)


def test_the_environment_may_hold_keys_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "a-long-and-random-enough-secret"
    monkeypatch.setenv("RADIANCE_API_KEYS", f"{secret} infer,update phone; {HASH} admin")
    ring = open_keyring(Config())
    found = ring.find(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("phone", {"infer", "update"})
    monkeypatch.setenv("RADIANCE_API_KEYS", "short admin")
    with pytest.raises(ConfigError, match="can be guessed") as caught:
        open_keyring(Config())
    assert "short" not in str(caught.value)

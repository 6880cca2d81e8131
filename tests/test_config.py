"""radiance.toml: its defaults, what it refuses, and who wins."""

import math
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import msgspec
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from radiance import config
from radiance.cli.settings import render
from radiance.config import Config, config_class
from radiance.config.derived import derive, derived, most_own_samples
from radiance.errors import ConfigError

REPOSITORY = Path(__file__).parent.parent


def load(tmp_path: Path, text: str, **overrides) -> Config:
    (tmp_path / "radiance.toml").write_text(text, encoding="utf-8")
    return config.load(tmp_path, {name.replace("__", "."): v for name, v in overrides.items()})


# ----------------------------------------------------------------------------- defaults


def test_the_shipped_file_is_rendered_from_the_code():
    assert (REPOSITORY / "radiance.toml").read_text(encoding="utf-8") == config.render_default()


def test_the_shipped_file_is_the_defaults(tmp_path):
    assert load(tmp_path, config.render_default()) == config_class()(root=tmp_path.resolve())


@given(
    st.recursive(
        st.text()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["name", "models"]), inner)
        ),
        max_leaves=6,
    )
)
def test_a_value_written_as_toml_reads_back_from_one_line(value):
    written = config.to_toml(value)
    assert "\n" not in written
    assert tomli.loads(f"value = {written}")["value"] == value


def test_a_root_without_a_file_has_the_defaults(tmp_path):
    assert config.load(tmp_path) == config_class()(root=tmp_path.resolve())


def test_every_key_is_described_and_within_its_own_range():
    for section in msgspec.structs.fields(config_class()):
        if section.name == "root":
            continue
        whole = section.default if isinstance(section.default, msgspec.Struct) else Config()
        for key in msgspec.structs.fields(type(whole)):
            if isinstance(key.default, msgspec.Struct) or key.name == "root":
                continue
            _, meta = get_args(key.type)
            assert meta.description.endswith(".")
            assert msgspec.convert(msgspec.to_builtins(key.default), key.type) == key.default


def test_paths_hang_from_the_root(tmp_path):
    loaded = config.load(tmp_path)
    assert loaded.adapters_path == tmp_path / "adapters"
    assert loaded.anchors_path == tmp_path / "anchors"
    assert loaded.database_path == tmp_path / "runs" / "radiance.db"


def test_a_config_cannot_be_changed(tmp_path):
    with pytest.raises(AttributeError):
        config.load(tmp_path).backend = "cpu"  # type: ignore[misc]


# ----------------------------------------------------------------------------- round trip


def values_of(kind, meta):
    """Values that a key may take, from its type and range."""
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) in (Union, UnionType):  # a number or a switch, or a word
        value, word = get_args(kind)
        return values_of(*described(value)) | values_of(word, meta)
    if kind is bool:
        return st.booleans()
    if kind is int:
        low = meta.ge if meta.ge is not None else -(2**40)
        return st.integers(low, meta.le if meta.le is not None else (meta.lt or 2**40) - 1)
    if kind is float:
        return st.floats(
            min_value=meta.ge if meta.ge is not None else meta.gt,
            max_value=meta.le if meta.le is not None else meta.lt,
            exclude_min=meta.gt is not None,
            exclude_max=meta.lt is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    if get_origin(kind) is tuple:
        return st.lists(values_of(*described(get_args(kind)[0])), max_size=3).map(tuple)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structs_of(kind)
    if meta.pattern is not None:
        return st.from_regex(meta.pattern.replace("$", r"\Z").replace(r"\d", "[0-9]"))
    return st.text(st.characters(codec="utf-8"), min_size=meta.min_length or 0)


def described(kind):
    """A type and its range."""
    return get_args(kind) if get_origin(kind) is Annotated else (kind, Meta())


def structs_of(kind: type[msgspec.Struct]):
    fields = {}
    for key in msgspec.structs.fields(kind):
        if isinstance(key.default, msgspec.Struct):
            fields[key.name] = structs_of(type(key.default))
        elif key.name != "root":
            fields[key.name] = values_of(*described(key.type))
    return st.builds(kind, **fields)


@given(structs_of(config_class()))
def test_what_is_written_reads_back_the_same(tmp_path_factory, made):
    root = tmp_path_factory.mktemp("root")
    (root / "radiance.toml").write_bytes(render(made).encode())
    assert config.load(root) == msgspec.structs.replace(made, root=root.resolve())


# ----------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("base_modle = 'x'", ["base_modle", "Did you mean 'base_model'?"]),
        ("[training]\nlearning_rate = 1", ["training.learning_rate", "(is 1)", "Known here: r, "]),
        ("[trainig]\nr = 1", ["trainig", "Did you mean 'training'?"]),
        ("[training]\nr = 'eight'", ["training.r", '(is "eight")', 'Expected a number or "auto"']),
        ("[training]\nr = 8.5", ["training.r", "(is 8.5)"]),
        ("[training]\nr = true", ["training.r", "(is true)"]),
        ("[training]\nr = 0", ["training.r", "(is 0)", ">= 1"]),
        ("[training]\nlr = 0.0", ["training.lr", "> 0"]),
        ("[training]\nlr = nan", ["training.lr", "not a finite number"]),
        ("[training]\nmax_loss = inf", ["training.max_loss", "not a finite number"]),
        ("[training]\ndropout = 1", ["training.dropout", "< 1"]),
        ("[training]\ntarget_modules = 'q_proj'", ["training.target_modules", "array"]),
        ("[training]\ntarget_modules = ['q', 3]", ["training.target_modules[1]", "(is 3)"]),
        (
            "[training]\nquiet_hours = ['9 to 5']",
            ["training.quiet_hours[0]", "like '09:00-18:00' or 'mon-fri 09:00-18:00'"],
        ),
        ("training = 3", ["training (is 3)", "Write [training] and its keys below it."]),
        ("backend = 'tpu'", ["backend", "'auto', 'cpu', 'cuda', 'metal', 'mps'"]),
        ("[server]\nport = 65536", ["server.port", "<= 65535"]),
        ("root = '/x'", ["root", "--root"]),
        ("[alerts]\nwebhook = 'mine'", ["alerts.webhook", "like 'https://hooks.example.org/rad"]),
        ("[alerts]\nsmtp = 'localhost'", ["alerts.smtp", "like 'localhost:25'"]),
        ("base_model = ", ["not valid TOML"]),
        ("[server]\nport = 1\nport = 2", ["not valid TOML"]),
    ],
)
def test_what_cannot_be_used_names_file_key_value_and_remedy(tmp_path, text, told):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert str(tmp_path / "radiance.toml") in message
    assert "\n" not in message
    for part in told:
        assert part in message


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "radiance.toml").write_bytes(b"base_model = '\xff'")
    with pytest.raises(ConfigError, match="not valid TOML"):
        config.load(tmp_path)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "radiance.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 7\r\n")
    assert config.load(tmp_path).server.port == 7


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.toml: cannot be read \(No such file"):
        config.load(tmp_path, file=tmp_path / "no.toml")


# ----------------------------------------------------------------------------- overrides


def test_an_override_wins_and_none_is_passed_over(tmp_path):
    loaded = load(
        tmp_path, "[server]\nport = 1\nhost = 'a'", server__port=2, server__host=None, backend="cpu"
    )
    assert (loaded.server.port, loaded.server.host, loaded.backend) == (2, "a", "cpu")


def test_a_bad_override_is_laid_to_the_command_line(tmp_path):
    with pytest.raises(ConfigError, match=r"^command line: server\.port \(is -1\)"):
        load(tmp_path, "[server]\nport = 1", server__port=-1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_override_is_finite(tmp_path, value):
    with pytest.raises(ConfigError, match=r"training\.lr"):
        load(tmp_path, "", training__lr=value)


def test_section_that_is_a_value_is_named_when_a_flag_meets_it(tmp_path: Path) -> None:
    (tmp_path / "radiance.toml").write_text("server = 3\n")
    with pytest.raises(ConfigError, match=r"server \(is 3\) is not a section"):
        config.load(tmp_path, {"server.port": 1})


def test_auto_becomes_numbers_by_the_width_of_the_model():
    ember, wide = (derive(config.Config(), width).training for width in (256, 576))
    assert (ember.lr, ember.max_steps) == (1.5e-3, 400)
    assert derived(wide.lr) < derived(ember.lr)
    assert derived(wide.max_steps) < derived(ember.max_steps)
    assert most_own_samples(256) == most_own_samples(64) == 768
    assert 128 <= most_own_samples(576) < 768
    with pytest.raises(AssertionError, match="not derived"):
        derived(config.Config().training.lr)

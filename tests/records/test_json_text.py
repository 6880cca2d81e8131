"""JSON of which a part would be lost is told from JSON that is whole."""

import json
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.records import json_text

TEXT = st.text(alphabet=':"\\\\abu03\\u20ac', max_size=6)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def escaped(text: str) -> str:
    """The same JSON with each colon of a text as an escape."""
    in_text = False
    found, before = "", ""
    for letter in text:
        if letter == '"' and before != "\\":
            in_text = not in_text
        before = "" if before == "\\" else letter
        found += "\\u003A" if letter == ":" and in_text else letter
    return found


@given(PLAIN, st.booleans(), st.booleans())
def test_whole_json_is_read_as_it_is(data: Any, is_ascii: bool, is_escaped: bool) -> None:
    text = json.dumps(data, ensure_ascii=is_ascii)
    if is_escaped:
        text = escaped(text)
    assert json_text.find_fault(text) is None
    assert not json_text.loses_names(text.encode(), msgspec.json.decode(text))
    assert json_text.decode(text) == data
    assert json_text.fault_of(text, data) is None


@given(st.dictionaries(TEXT, PLAIN, min_size=1, max_size=3), PLAIN, st.booleans(), st.data())
def test_a_name_twice_is_found_wherever_it_is(
    inner: dict[str, Any], other: Any, is_escaped: bool, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(inner)))
    doubled = f"{json.dumps(inner)[:-1]}, {json.dumps(name)}: {json.dumps(other)}}}"
    text = f'{{"a": [{json.dumps(other)}, {doubled}]}}'
    if is_escaped:
        text = escaped(text)
    assert json_text.loses_names(text.encode(), msgspec.json.decode(text))
    fault = json_text.find_fault(text)
    assert fault is not None
    assert fault.field == f"a[1].{name}"
    with pytest.raises(json_text.BadJson, match="stands twice"):
        json_text.decode(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ('{"a": NaN}', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"a": ["\\ud800"]}', "a[0] holds U+D800, half of a surrogate pair"),
        ('{"\\udc00": 1}', "holds U+DC00, half of a surrogate pair"),
        ('{"a": 1, "a": {"b": 1, "b": 1}}', ": a stands twice"),
    ],
)
def test_faults_are_told(text: str, told: str) -> None:
    with pytest.raises(json_text.BadJson) as caught:
        json_text.decode(text)
    assert told in str(caught.value)


def test_no_name_is_looked_for_where_colons_are_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking takes seconds of a body of megabytes, and the event loop would wait."""
    looked: list[object] = []
    monkeypatch.setattr(json_text, "find_fault", looked.append)
    text = r'{"a\u003a": "\\u003a \\\u003A \" \u003a:", "b": {"\\": "\\\\u003A"}}'
    assert not json_text.loses_names(text.encode(), msgspec.json.decode(text))
    assert json_text.fault_of(text, msgspec.json.decode(text)) is None
    twice = r'{"a": "\u003a", "a": "\\u003a"}'
    assert json_text.loses_names(twice.encode(), msgspec.json.decode(twice))
    assert not looked


def test_other_threads_run_while_a_name_is_looked_for() -> None:
    """A decoder in C that calls nothing of Python lets no other thread run until its end."""
    text = "[" + "[]," * 300_000 + '{"a": 1, "a": 2}]'
    found: list[json_text.Fault | None] = []
    looking = threading.Thread(target=lambda: found.append(json_text.find_fault(text)))
    looking.start()
    turns = 0
    while looking.is_alive():
        looking.join(0.001)
        turns += 1
    assert found[0] is not None
    assert found[0].field == "[300000].a"
    assert turns > 3


def test_a_long_path_is_cut() -> None:
    fault = json_text.find_fault('{"a":' * 5000 + '{"a": 1, "a": 1}' + "}" * 5000)
    assert fault is not None
    assert fault.field == ".".join("a" * 32) + "…"


@pytest.mark.parametrize("text", ["]", '{"a": 1}}, {"a"', '"', '["\\x"]', '[{"a": "a", "b": "a"'])
def test_in_what_is_no_json_nothing_is_found(text: str) -> None:
    assert json_text.find_fault(text) is None

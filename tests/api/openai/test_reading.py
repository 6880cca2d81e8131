"""Thoughts before an answer are told apart from it, however the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.api.openai.reading import AnswerPart, Reader, ThoughtReader
from radiance.api.openai.tools import Toolbox
from radiance.engine.model.tool_format import HERMES

MARKS = ("<think>", "</think>")
CALL = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'


def pieces_of(data: st.DataObject, text: str) -> list[str]:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@pytest.mark.parametrize(
    ("is_thinking", "text", "thought", "said"),
    [
        (False, "Yes.", "", "Yes."),
        (False, "<think>Hm </thin</think>\n\nYes. <think>", "Hm </thin", "Yes. <think>"),
        (False, "\n<think></think>Yes.", "", "Yes."),
        (False, "<thin air", "", "<thin air"),
        (False, " < think", "", " < think"),
        (False, "<think>never ending </th", "never ending </th", ""),
        (False, "<think", "", "<think"),
        (True, "Hm.\n</think>\n\n", "Hm.\n", ""),
        (True, "Hm.</think> Yes </think>", "Hm.", "Yes </think>"),
    ],
)
@given(data=st.data())
def test_thoughts_stand_before_what_is_said(
    data: st.DataObject, is_thinking: bool, text: str, thought: str, said: str
) -> None:
    reader = ThoughtReader(MARKS, is_thinking)
    found = [*map(reader.feed, pieces_of(data, text)), reader.finish()]
    assert ("".join(one for one, _ in found), "".join(one for _, one in found)) == (thought, said)


@given(data=st.data())
def test_calls_are_read_after_thoughts_and_not_in_them(data: st.DataObject) -> None:
    text = f"<think>Call {CALL}?</think>I see. {CALL}"
    reader = Reader(MARKS, False, HERMES, Toolbox([]))
    found = sum((reader.feed(piece) for piece in pieces_of(data, text)), AnswerPart())
    found += reader.finish()
    assert (found.thought, found.said) == (f"Call {CALL}?", "I see. ")
    assert [call.name for call in found.calls] == ["f"]


def test_without_marks_all_is_said() -> None:
    reader = Reader(None, False, HERMES, None)
    text = f"<think>Hm</think> {CALL}"
    assert reader.feed(text) + reader.finish() == AnswerPart("", text)

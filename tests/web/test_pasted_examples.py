"""What is pasted is read as what it is, and a fault names its line."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import RequestError
from radiance.web.pages import pasted_examples

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5)


@given(PAIRS)
def test_csv_and_json_lines_say_the_same(pairs: list[tuple[str, str]]) -> None:
    wanted = [{"input": question, "output": answer} for question, answer in pairs]
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("input", "output"), *pairs])
    assert pasted_examples.read("input" + written.getvalue().removeprefix('"input"'))[0] == wanted
    assert pasted_examples.read("\n".join(json.dumps(one) for one in wanted))[0] == wanted


def test_a_cell_may_hold_newlines_and_lines_are_counted() -> None:
    examples, lines = pasted_examples.read('question;answer\n"a\nb";c\nd;e\n')
    assert examples == [{"input": "a\nb", "output": "c"}, {"input": "d", "output": "e"}]
    assert lines == [2, 4]


def fact(question: str, answer: str) -> dict[str, str]:
    return {"input": question, "output": answer}


def chat(*said: str) -> dict[str, list[dict[str, str]]]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(said)]}


@pytest.mark.parametrize(
    ("text", "wanted", "at"),
    [
        ("Who?\tAnn.\nWhen?\tAt six.\n", [fact("Who?", "Ann."), fact("When?", "At six.")], [1, 2]),
        ("| Question | Answer |\n|---|:-:|\n| a \\| b | c |\n", [fact("a | b", "c")], [3]),
        (
            "Q: Who?\nA: Ann.\n\nQ: And\nwhen?\nA: At six.",
            [chat("Who?", "Ann."), chat("And\nwhen?", "At six.")],
            [1, 4],
        ),
        ("Question 1: Who?\r\nAnswer 1: Ann.\r\n", [chat("Who?", "Ann.")], [1]),
        ("Frage: Wer?\nAntwort: Ann.", [chat("Wer?", "Ann.")], [1]),
        ("问：谁？\n答：安。", [chat("谁？", "安。")], [1]),
        (
            "User: Which?\nAI: Two:\n1. User: a person\n2. Model: a program",
            [chat("Which?", "Two:\n1. User: a person\n2. Model: a program")],
            [1],
        ),
        (
            "1. Q: Who?\n   A: Ann.\n2) Q: When?\n   A: At six.",
            [chat("Who?", "Ann."), chat("When?", "At six.")],
            [1, 3],
        ),
        (
            "**User:** Who?\n**Assistant:** Ann.\nUser: When?\nAssistant: At six.",
            [chat("Who?", "Ann.", "When?", "At six.")],
            [1],
        ),
        (
            "You said:\nWho?\nChatGPT said:\nAnn.\n\nAt six.\n---\nUser: a\nAI: b",
            [chat("Who?", "Ann.\n\nAt six."), chat("a", "b")],
            [1, 8],
        ),
        ('{\n "input": "a",\n "output": "b"\n}', [fact("a", "b")], [1]),
        ('{"examples": [{"input": "a", "output": "b"}]}', [fact("a", "b")], [1]),
    ],
)
def test_what_people_have_at_hand_is_read(text: str, wanted: list[object], at: list[int]) -> None:
    assert pasted_examples.read(text) == (wanted, at)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "nothing to learn"),
        ("input,output\n", "no examples below"),
        ("name,colour\na,b", "'name', 'colour', not question"),
        ("input,output\na,b,c", "Line 2 has 3 cells"),
        ("question,answer,notes\na,b,c", "column 'notes' besides question and answer"),
        ("Who runs it? Ann runs it.", "Line 1 is no question with an answer beside or below"),
        ("Q: Who?\nA: Ann.\n\nQ: When?", "Line 4 has no answer below it"),
        ("User: Who?\n", "Line 1 has no answer below it"),
        ('{"input": "a", "output": "b"}\n{"input"', "Line 2 is not JSON"),
        ('{"text": "a"}\n{"text": "a", "text": "b"}', "Line 2 has a fault: text stands twice"),
        ('{"examples": [],\n "examples": []}', "The text has a fault: examples stands twice"),
        ('[{"text": "a", "text": "b"}]', r"fault: \[0\].text stands twice"),
    ],
)
def test_faults_are_named(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        pasted_examples.read(text)


@pytest.mark.parametrize(
    "text", ["Our plumber is Jan.", "Our plumber is Jan, phone 555.", "[1 May, 10:11] Ann: Hello."]
)
def test_prose_is_told_where_it_belongs(text: str) -> None:
    with pytest.raises(
        RequestError, match=r"^Line 1 (is no question|has '.*', not question)"
    ) as no:
        pasted_examples.read(text)
    assert "send it as a document" in no.value.remedy


@pytest.mark.parametrize(
    ("lines", "told", "read"),
    [
        (
            [2, 4],
            "examples[1] answers the question of examples[0] differently. Keep one of both.",
            "Line 4 answers the question of line 2 differently. Keep one of both.",
        ),
        ([2, 4], "examples[1].input: is blank.", "Line 4, the question: is blank."),
        ([], "examples[0].output: is blank.", "The answer: is blank."),
        ([], "examples[0]: the example has 3648 tokens", "The example has 3648 tokens"),
        (
            [3],
            "examples[0].messages[1].content is blank.",
            "Line 3, what is said in turn 2 is blank.",
        ),
        (
            [1, 2],
            "examples has 3000 entries; the limit is 1000.",
            "There are 3000 examples; the limit is 1000.",
        ),
        ([7], "examples[0]: the example has 3648 tokens", "Line 7: the example has 3648 tokens"),
    ],
)
def test_a_refusal_speaks_of_lines_and_boxes(lines: list[int], told: str, read: str) -> None:
    error = RequestError(told, field="examples[1]", remedy="Keep one of examples[0].")
    found = pasted_examples.locate(error, lines)
    assert str(found) == read
    assert "examples[" not in (found.remedy or "")

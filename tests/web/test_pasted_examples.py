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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "nothing to learn"),
        ("input,output\n", "no examples below"),
        ("name,colour\na,b", "name, colour"),
        ("input,output\na,b,c", "Line 2 has 3 cells"),
        ('{"input": "a", "output": "b"}\n{"input"', "Line 2 is not JSON"),
    ],
)
def test_faults_are_named(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        pasted_examples.read(text)


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
        ([7], "examples[0]: the example has 3648 tokens", "Line 7: the example has 3648 tokens"),
    ],
)
def test_a_refusal_speaks_of_lines_and_boxes(lines: list[int], told: str, read: str) -> None:
    error = RequestError(told, field="examples[1]", remedy="Keep one of examples[0].")
    found = pasted_examples.locate(error, lines)
    assert str(found) == read
    assert "examples[" not in (found.remedy or "")

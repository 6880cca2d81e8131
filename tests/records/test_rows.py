"""Rows of examples and anchors as people keep them: read whole, or refused by line."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.records.rows import BadLine, read_rows

ROWS: list[dict[str, Any]] = [
    {"input": "Who?", "output": "Mira, of Tarn."},
    {"input": 'Say "hi";\nplease.', "output": "Hüi\t|"},
    {"input": "Where?", "output": "Here."},
]


def as_csv(delimiter: str = ",", end: str = "\n", before: str = "") -> str:
    cells = [["Input", " output "], *([row["input"], row["output"]] for row in ROWS)]
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in line] for line in cells]
    return before + end.join(delimiter.join(line) for line in [*quoted, []]) + end


LINES = "\n".join(map(json.dumps, ROWS))
FILES: dict[str, bytes] = {
    "lines": LINES.encode(),
    "lines with a BOM and CRLF": LINES.replace("\n", "\r\n\r\n").encode("utf-8-sig"),
    "lines in UTF-16": LINES.encode("utf-16"),
    "lines in UTF-16 without a BOM": LINES.encode("utf-16-le"),
    "a list": json.dumps(ROWS).encode(),
    "a list over lines": json.dumps(ROWS, indent=2).encode(),
    "commas": as_csv().encode(),
    "semicolons": as_csv(";").encode(),
    "tabs in UTF-16": as_csv("\t").encode("utf-16"),
    "bars": as_csv("|").encode(),
    "CR": as_csv(end="\r").encode(),
    "CRLF with a BOM": as_csv(end="\r\n").encode("utf-8-sig"),
    "sep=": as_csv(";", before="sep=;\n").encode(),
    "big UTF-16 without a BOM": as_csv(";").encode("utf-16-be"),
    "empty rows": (as_csv() + ",\n,\n").encode(),
    "an empty column": as_csv().replace("\n", ",\n").replace(";,\n", ";\n").encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_any_way_of_keeping_them_gives_the_same_rows(name: str) -> None:
    assert [row for _, row in read_rows(FILES[name])] == ROWS


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"input,output\nWho?,Mira, of Tarn\n", 2, "has 3 cells, and the first line 2"),
        (b"input,output,output\nWho?,Mira,Tom\n", 1, "names the column output twice"),
        (b'{"input": "a", "input": "b"}', 1, "has input twice"),
        (b'{"a": 1}\n{"a": {"b": 1, "b": 2}}', 2, "has b twice"),
        (b'[{"a": 1},\n {"a": 1, "a": 2}]', 2, "has a twice"),
        (b",input,output\n0,Who?,Mira\n", 2, "has '0' in column 1, which has no name"),
        (b'input,output\n\nWho?,"Mira\n', 3, "is not CSV"),
        (b'input,output\nWho?,"Mira "the" Quell"\n', 2, "is not CSV"),
        (b"sep=;\ninput;output\nWho?;a;b\n", 3, "has 3 cells"),
        ("input,output\nWho?,Müra\n".encode("cp1252"), 2, r"is not UTF-8 \(byte 7\)"),
        (b"PK\x03\x04abc", 1, "an Excel or zip file"),
        (b"\x1f\x8babc", 1, "compressed"),
        (b'[{"a": 1}', 1, "is not JSON"),
        (b'[{"a": 1}]\n[{"a": 2}]', 1, "something stands behind the list"),
        (b'{"a": NaN}', 1, "NaN is not a JSON value"),
    ],
)
def test_what_would_lose_a_part_is_refused_by_line(content: bytes, line: int, says: str) -> None:
    with pytest.raises(BadLine, match=says) as caught:
        list(read_rows(content))
    assert caught.value.line == line


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_no_file_is_a_traceback(chance: random.Random, cuts: int) -> None:
    data = bytearray(FILES[chance.choice(list(FILES))])
    for _ in range(cuts):
        place = chance.randrange(len(data))
        put = chance.choice([b"", b",", b'"', b"\0", b"\n", b"{", b"[", b"\xff", b"]"])
        data[place : place + chance.choice([0, 1, 5])] = put
    try:
        list(read_rows(bytes(data)))
    except BadLine as error:
        assert error.line >= 1  # noqa: PT017 - many are read

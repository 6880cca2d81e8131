"""Files and folders of every kind give the same anchors, and what is wrong is named by place."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from radiance import ember
from radiance.anchors import local
from radiance.anchors.sets import AnchorSet
from radiance.errors import ConfigError

ROWS: list[dict[str, Any]] = [
    {"input": "What is 2 + 2?", "output": "It is 4.", "context": "sums", "id": "sums/4"},
    {"input": 'Say "hi",\nplease.', "output": "Hi.", "context": None, "id": None},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        names = list(rows[0])
        cells = [[str(row[n] or "").replace('"', '""') for n in names] for row in rows]
        lines = [",".join(f'"{cell}"' for cell in line) for line in [names, *cells]]
        path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())  # as spreadsheets save it
    else:
        path.write_text("\n".join(["", *map(json.dumps, rows), ""]))
    return path


def shown(anchors: AnchorSet) -> list[tuple[str, str, list[str]]]:
    return [
        (a.example.id, a.context, [m.content for m in a.example.messages] or [a.example.text])
        for a in anchors.anchors
    ]


@pytest.mark.parametrize(("suffix", "second"), [("jsonl", 3), ("csv", 4), ("parquet", 2)])
def test_each_kind_of_file_gives_the_same_anchors(tmp_path: Path, suffix: str, second: int) -> None:
    path = write(tmp_path / f"mine.{suffix}", ROWS)
    anchors = local.read_set(path)
    assert shown(anchors) == [
        ("sums/4", "sums", ["What is 2 + 2?", "It is 4."]),
        (f"mine.{second}", "general", ['Say "hi",\nplease.', "Hi."]),
    ]
    assert (anchors.source, anchors.licence) == (str(path), "")


@pytest.mark.parametrize(
    ("row", "content"),
    [
        ({"text": " Some  text.\r\n"}, [" Some  text.\n"]),
        ({"prompt": "p", "completion": "c"}, ["p", "c"]),
        ({"question": "q", "answer": "a", "difficulty": None}, ["q", "a"]),
        (
            {
                "messages": [
                    {"role": "system", "content": "s"},
                    {"role": "user", "content": "u"},
                    {"role": "assistant", "content": "a"},
                ]
            },
            ["s", "u", "a"],
        ),
        ({"messages": None, "input": "i", "output": "o", "text": None}, ["i", "o"]),
        (
            {
                "messages": [
                    {"role": "developer", "content": "s"},
                    {"role": "user", "content": [{"type": "text", "text": "u"}]},
                    {"role": "assistant", "content": "a", "tool_calls": [], "weight": 1},
                ],
                "tools": [],
            },
            ["s", "u", "a"],
        ),
    ],
)
def test_each_form_of_row(tmp_path: Path, row: dict[str, Any], content: list[str]) -> None:
    anchors = local.read_set(write(tmp_path / "mine.jsonl", [row]))
    assert shown(anchors) == [("mine.2", "general", content)]


def test_folder_of_texts_has_its_subfolders_as_contexts(tmp_path: Path) -> None:
    for name, content in {
        "b.md": "# Two",
        "law/a.txt": "One.\n",
        "law/civil/c.TXT": "Three.",
        "law/empty.txt": " \n",
        "law/table.csv": "x",
        ".hidden/d.txt": "no",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert shown(local.read_set(tmp_path)) == [
        ("b.md", "general", ["# Two"]),
        ("law/a.txt", "law", ["One."]),
        ("law/civil/c.TXT", "law/civil", ["Three."]),
    ]


def test_published_list_has_contexts_and_a_licence() -> None:
    anchors = local.read_set(ember.MODEL_PATH / "anchors.jsonl")
    assert len(anchors) == sum(anchors.counts.values()) == 445
    assert anchors.counts["capitals"] == 25
    assert anchors.licence == "Apache-2.0"
    assert anchors.source == "facts that Ember was made to know, written for Radiance"


def test_manifest_of_other_bytes_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", ROWS)
    (tmp_path / "manifest.json").write_text(json.dumps({"sha256": "0" * 64, "licence": "MIT"}))
    assert local.read_set(path).licence == ""


def test_the_same_line_twice_is_one_anchor(tmp_path: Path) -> None:
    assert len(local.read_set(write(tmp_path / "mine.jsonl", [ROWS[0], ROWS[0]]))) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r"cannot read .*No such file"),
        (b"\n", "holds no anchors"),
        (b"{", "line 1: is not JSON"),
        (b'{"input": "a", "output": "b"}\n{"input": "a"}', "line 2: has none of"),
        (b'{"input": "a", "output": " "}', "line 1: output is blank"),
        (b'{"input": "a", "output": 1}', "line 1: output is not text"),
        (b'{"text": "a\\u0000b"}', r"line 1: text holds the character U\+0000"),
        (b'{"text": "a", "context": "two\\nlines"}', "line 1: context is not one line"),
        (b'{"text": "a", "id": "x"}\n{"text": "b", "id": "x"}', r"line 2: id 'x' is that of .*1"),
        (b'{"messages": [{"role": "user", "content": "a"}]}', "line 1: messages does not end"),
        (
            b'{"messages": [{"role": "assistant", "content": "a"}]}',
            r"messages\[0\].role .* comes next",
        ),
        (b'{"messages": [{"role": "boss", "content": "a"}]}', r"messages\[0\] has no role of"),
        (b'{"messages": "a"}', "messages is not a list"),
        (b"[1]", "line 1: is not an object"),
        (b'{"question": "a", "answer": "b", "hard": 3}', "line 1: hard is not a known field"),
        (b'{"instruction": "a", "input": "b", "output": "c"}', "instruction is not a known field"),
        (b'{"system": "a", "input": "b", "output": "c"}', "system is not a known field"),
        (b'{"input": "b", "output": "c", "text": "d"}', "text is not a known field"),
        (
            b'{"messages": [{"role": "user", "content": "a", "weight": 0}]}',
            r"messages\[0\].weight is not a known field",
        ),
        (
            b'{"context": "It was built in 1990.", "question": "a", "answer": "b"}',
            "context .* is a sentence",
        ),
        (
            b'{"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]}',
            "line 1: tools describes tools, and only what is said is learned. Leave out tools",
        ),
        (
            b'{"messages": [{"role": "assistant", "content": null, "tool_calls": [{}]}]}',
            r"messages\[0\].tool_calls calls a tool.*Leave out tools",
        ),
        (b"\xff", r"line 1: is not UTF-8 \(byte 1\)"),
    ],
)
def test_unusable_anchors_are_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "anchors.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^evaluation.anchor_path: .*{problem}"):
        local.read_set(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_in_any_dialect(tmp_path: Path, delimiter: str, encoding: str) -> None:
    lines = ["Input, Output ,context", "Who?,Ada.,facts", "", "Where?,Here.,"]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines).replace(",", delimiter), encoding=encoding)
    assert [(c, m) for _, c, m in shown(local.read_set(path))] == [
        ("facts", ["Who?", "Ada."]),
        ("general", ["Where?", "Here."]),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("input,output\nWhich?,Red, white.", "line 2: has 3 cells, and the first line 2"),
        ("input,output\na,b\nWhich?", "line 3: has 1 cells"),
        ("input,output,source\na,b,c", "line 2: source is not a known field"),
        ('input,output\na,"b', "line 2: is not CSV .*unexpected end of data"),
    ],
)
def test_csv_that_loses_a_part_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content)
    with pytest.raises(ConfigError, match=problem):
        local.read_set(path)


def test_damaged_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "anchors.parquet"
    path.write_bytes(b"PAR1 but no table PAR1")
    with pytest.raises(ConfigError, match=r"cannot read .*anchors\.parquet"):
        local.read_set(path)


def test_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no anchors"):
        local.read_set(tmp_path)

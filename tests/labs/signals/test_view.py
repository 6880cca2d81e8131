"""What is shown of a result: the same numbers in every form, and names of others are text."""

import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from radiance.labs.signals.results import StudyResult, decode, encode
from radiance.labs.signals.view import drawings, latex, page, report, tables
from radiance.labs.signals.view.tables import Grid
from radiance.web import wording
from radiance.web.forms import Fields

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">&amp;'


class Reader(HTMLParser):
    """The tags of a document, the text of its cells by table, and its JSON."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.data = ""
        self._rows: list[list[str]] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "table":
            self._rows = self.tables.setdefault(dict(attrs)["aria-label"] or "", [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("td", "th"):
            self._rows[-1][-1] += data
        elif self._inside == "script":
            self.data += data


def rows_of(grid: Grid) -> list[list[str]]:
    """As pages set them."""
    rows = [[name, *map(wording.typeset, cells)] for name, *cells in grid.rows]
    return [list(grid.columns), *rows]


def test_the_report_has_every_table_and_the_result_itself(small_result: StudyResult) -> None:
    found = Reader(report.render(small_result))
    for grid in tables.all_tables(small_result):
        assert found.tables[grid.title] == rows_of(grid)
    assert decode(found.data.encode()) == decode(encode(small_result))


def test_charts_have_a_line_for_every_method_and_ink_for_every_day(
    small_result: StudyResult,
) -> None:
    equity = drawings.equity(small_result)
    assert equity.series == [method.label for method in small_result.methods]
    assert [row[1] for row in equity.rows] == small_result.methods[0].equity.middle
    assert equity.columns[-2:] == ["LoRA, routed + budget, low", "LoRA, routed + budget, high"]
    found = Reader(report.render(small_result))
    lines = [attrs["points"] for tag, attrs in found.tags if tag == "polyline"]
    assert len(lines) == 2 * len(small_result.methods)
    assert {len((points or "").split()) for points in lines} == {len(equity.rows)}
    assert sum(tag == "polygon" for tag, _ in found.tags) == 6


def test_the_report_fetches_nothing_and_runs_nothing(small_result: StudyResult) -> None:
    text = report.render(small_result, small_result)
    found = Reader(text)
    scripts = [attrs for tag, attrs in found.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "result"}]
    assert not any(name in attrs for _, attrs in found.tags for name in ("src", "srcset"))
    assert [attrs["href"] for _, attrs in found.tags if "href" in attrs] == ["data:,"]
    assert not re.search(r"url\((?!#)|@import", text)
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in text


def test_names_of_others_are_text(small_result: StudyResult) -> None:
    """A result is a file that anybody may have written."""
    methods = [msgspec.structs.replace(m, label=HOSTILE) for m in small_result.methods]
    finding = msgspec.structs.replace(small_result.findings[0], text=HOSTILE)
    hostile = msgspec.structs.replace(
        small_result,
        methods=methods,
        findings=[finding],
        units=[HOSTILE, *small_result.units[1:]],
        window={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
    )
    found = Reader(report.render(hostile, small_result))
    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert "img" not in {tag for tag, _ in found.tags}
    assert json.loads(found.data)["methods"][0]["label"] == HOSTILE
    assert found.tables["Methods"][1][0] == HOSTILE


def test_page_report_and_macros_say_the_same_numbers(small_result: StudyResult) -> None:
    shown = page.view(small_result, None)
    assert [table.title for table in shown["tables"]] == [
        "Methods",
        "Stress MSE by context",
        "Gate and monitors",
    ]
    means = small_result.methods[1].means["drift_mse"]
    assert means is not None
    assert shown["tables"][0].rows[1][1].startswith(f"{means.value:.4g} [")
    assert f"\\sigNaiveDriftMse}}{{{means.value:.4g}}}" in latex.render(small_result)
    assert [row["rule"] for row in shown["decision"]["rows"]] == [
        row.rule for row in small_result.methods[-2].decisions[0].rows
    ]


@pytest.mark.parametrize(
    ("cells", "is_numeric"),
    [
        (["0.5 [0.1, 0.9]", "-", "1e-05"], True),
        (["x1.2", "/13", "-3", "33%", "[+0.1, +0.2]", ""], True),
        (["none", "0.5"], False),
        (["daily"], False),
    ],
)
def test_columns_of_numbers_are_told_from_words(cells: list[str], is_numeric: bool) -> None:
    grid = Grid("", ("name", "value"), [("a", cell) for cell in cells])
    assert grid.is_numeric == (False, is_numeric)


def test_every_value_of_a_name_is_read_from_a_form() -> None:
    fields = Fields(
        [
            ("preset", "quick"),
            ("seeds", "2"),
            ("adaptation.methods", "none"),
            ("adaptation.methods", "naive"),
        ]
    )
    assert page.study_of(fields) == {
        "preset": "quick",
        "seeds": 2,
        "adaptation": {"methods": ["none", "naive"]},
    }

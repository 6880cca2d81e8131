"""Tables as CSV: the rows in sight, safe in a spreadsheet, and linked below every table."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import NotFound
from radiance.labs.signals.view.tables import Grid
from radiance.web import sheets
from radiance.web.site import PAGES
from tests.support import Client
from tests.web.test_site import fetch, shown

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\x00"))


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@given(st.lists(st.fixed_dictionaries({"a": TEXT, "b": st.integers()}), min_size=1))
def test_what_is_text_comes_back_and_never_begins_a_formula(rows: list[dict[str, object]]) -> None:
    found = csv.DictReader(io.StringIO(sheets.to_csv("deep.rows", {"deep": {"rows": rows}})))
    for written, row in zip(found, rows, strict=True):
        text = written["a"]
        assert text.removeprefix("'") == str(row["a"]).removeprefix("'")
        assert written["b"] == str(row["b"])
        assert text[:1] not in ("=", "@", "\t")
        if text[:1] in ("+", "-"):
            float(text)


def test_charts_tables_of_text_and_what_lies_deeper_have_columns() -> None:
    chart = {"id": "loss.x", "x": "Step", "columns": ["New"], "rows": [[1, 0.5], [2, None]]}
    grid = Grid("T", ("method", "MSE"), [("none", "-0.5")])
    data = {"charts": [{"id": "other"}, chart], "list": [{"a": {"b": 1}, "c": ["x"]}, {"d": "=1"}]}
    assert rows_of(sheets.to_csv("charts.loss.x", data)) == [
        ["Step", "New"],
        ["1", "0.5"],
        ["2", ""],
    ]
    assert rows_of(sheets.to_csv("list", data)) == [
        ["a.b", "c", "d"],
        ["1", '["x"]', ""],
        ["", "", "'=1"],
    ]
    found = sheets.to_csv("shown.0", data, {"shown": [grid]})
    assert rows_of(found) == [["method", "MSE"], ["none", "-0.5"]]
    for name in ("nothing", "list.7", "charts.loss.x.rows", "", "list.a"):
        with pytest.raises(NotFound):
            sheets.to_csv(name, data)


# A chapter of the handbook has tables of words, not of what the service knows.
OF_FIGURES = sorted(page.path for page in PAGES if page.path != "/docs/{chapter}")


@pytest.mark.parametrize("path", OF_FIGURES)
def test_every_table_in_sight_is_linked_as_csv_and_json(client: Client, path: str) -> None:
    """As many links as tables, but for those whose rows another form holds."""
    text = shown(client, path)
    tables = len(re.findall(r"<table(?! class=\"matrix\")", text)) + text.count('class="matrix"')
    links = re.findall(
        r'href="([^"]*[?&;]csv=[^"]*)" download>CSV</a> <a href="([^"]*)">JSON', text
    )
    assert len(links) >= tables, path
    for link in (html.replace("&amp;", "&") for pair in links for html in pair):
        status, kind, body = fetch(client, link)
        assert status == 200, link
        assert kind.startswith("text/csv" if "csv=" in link else "application/json")
        assert "csv=" not in link or rows_of(body)[0], link


def test_a_cycle_is_drawn_beside_another(client: Client) -> None:
    text = fetch(client, "/cycles/2?with=1&with=7")[2]
    assert "Cycle 1 <b></b>" in text
    assert 'name="with" value="1" checked' in text
    columns = rows_of(fetch(client, "/cycles/2?csv=charts.loss&with=1")[2])[0]
    assert columns[-1] == "Cycle 1"
    assert "Cycle 1" not in rows_of(fetch(client, "/cycles/2?csv=charts.loss")[2])[0]

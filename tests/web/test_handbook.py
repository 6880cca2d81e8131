"""The docs as pages: every link of theirs leads somewhere, and nothing in them is markup."""

import re
from functools import cache

import pytest

from radiance.web import handbook
from radiance.web.handbook import Chapter

CHAPTERS = handbook.chapters()


def test_every_chapter_has_a_title_and_a_sentence() -> None:
    assert {"API", "DASHBOARD", "OPERATING", "SETTINGS"} <= CHAPTERS.keys()
    for chapter in CHAPTERS.values():
        assert chapter.title
        assert chapter.about
        assert "\n" not in chapter.about


@pytest.mark.parametrize("name", sorted(CHAPTERS))
def test_links_between_chapters_lead_to_headings_that_are_there(name: str) -> None:
    for path, mark in re.findall(r'href="(?:/docs/(\w+))?(?:#([^"]+))?"', to_html(name)):
        target = path or name
        assert target in CHAPTERS, (name, path)
        assert not mark or f'id="{mark}"' in to_html(target), (name, target, mark)


@cache
def to_html(name: str) -> str:
    return handbook.to_html(CHAPTERS[name])


def test_markup_pictures_and_files_of_the_checkout_are_no_part_of_a_page() -> None:
    text = "<b>K9</b> ![a picture](pictures/ask.png) [a file](../README.md) [more](API.md#ask)\n"
    html = handbook.to_html(Chapter("X", "X", "", text))
    assert html == ('<p>&lt;b&gt;K9&lt;/b&gt;  a file <a href="/docs/API#ask">more</a></p>\n')


def test_a_row_of_a_table_names_its_columns_and_keeps_short_cells_on_one_line() -> None:
    text = "| Key | Meaning |\n|---|---|\n| `server.max_body_bytes` | Largest body of one request |"
    html = handbook.to_html(Chapter("X", "X", "X", text))
    assert '<table class="cards">' in html
    assert '<td data-label="Key" class="short"><code>server.max_body_bytes</code></td>' in html
    assert '<td data-label="Meaning" class="short">Largest' in html

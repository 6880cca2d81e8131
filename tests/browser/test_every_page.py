"""Every page of the router, empty and after everything happened: who can read it, on any screen.

A page that is added must be opened here, for the pages are read from the router.
"""

import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radiance.api.route import Route
from radiance.labs.alphas.models import reporting
from radiance.labs.alphas.models.grading import Grader, score
from radiance.labs.alphas.models.study import AlphaStudySettings
from radiance.labs.alphas.values.synthetic import made_up
from radiance.web.site import all_routes
from tests.browser.axe import COLOURS, violations
from tests.support import FACTS, Running, as_input
from tests.web.test_harm import overwrite

WIDE, PHONE = 1280, 390
# A second theme on a screen has other colours and the same elements.
LOOKS = tuple((width, theme) for width in (WIDE, PHONE) for theme in ("light", "dark"))
# Tables of sentences whose columns do not all fit; matrices and tables of numbers may scroll.
BESIDE_THE_SCREEN = """[...document.querySelectorAll(".scroll > table:not(.matrix, .numbers)")]
    .filter((table) => table.scrollWidth > table.parentElement.clientWidth + 1)
    .map((table) => table.ariaLabel)"""
LABELS_OVER_THE_NEXT_ROW = """[...document.querySelectorAll(".cards td[data-label]")]
    .filter((cell) => cell.clientHeight
        && parseFloat(getComputedStyle(cell, "::before").height) > cell.clientHeight + 1)
    .map((cell) => cell.dataset.label)"""
# Words that stand left of the page's own edge: beside a phone's screen they cannot be read.
LEFT_OF_THE_PAGE = """() => {
    const main = document.querySelector("main");
    const edge = main.getBoundingClientRect().left + parseFloat(getComputedStyle(main).paddingLeft);
    const found = [];
    const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const { data, parentElement } = walker.currentNode;
        if (!data.trim() || parentElement.closest(
            ".hidden, thead, .scroll, .chart, svg, noscript, script, style, [hidden]")) continue;
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        const box = range.getBoundingClientRect();
        if (box.width && box.left < edge - 4) found.push(data.trim());
    }
    return found;
}"""
SPOKEN = """() => {
    const found = [];
    const walker = document.createTreeWalker(
        document.getElementById("main"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const { data, parentElement } = walker.currentNode;
        if (parentElement.closest("time, noscript, script, template, .plot, .legend, .scripted"
            + ", #notify, [data-utc], [hidden]")) continue;
        found.push(...data.split(/\\s+/).filter(Boolean));
    }
    return found;
}"""
# What is reached by a link or a form of a page and looks otherwise than the page does at first.
STATES = (
    "/move?action=rollback",
    "/move?action=promote&checkpoint={rejected}",
    "/move?action=export&checkpoint={checkpoint_id}",
    "/move?action=unpin",
    "/checkpoints/base",
    "/checkpoints/{rejected}",
    "/compare?a=base",
    "/gate/{rejected}",
    "/knowledge?view=all",
    "/knowledge?view=overwrote",
    "/knowledge?q=nowhere",
    "/forgetting?example={example_id}",
    "/learn?example={example_id}",
    "/learn/{waiting}",
    "/learn/{failed}",
    "/learn?status=failed",
    "/ask?example={example_id}",
    "/ask?a=base&b=stable",
    "/experiment?checkpoint={checkpoint_id}",
    "/audit?verify=yes",
    "/alphas?prompt=Buy+what+fell+most+over+the+last+week.",
    "/learn/job_999999",
    "/nowhere",
)
REFUSED = ("/learn/job_999999", "/nowhere")  # pages that say that there is nothing
DOWNLOADS = {  # by route what is asked for
    "/cycles/{cycle_id}/report": "/cycles/{cycle_id}/report",
    "/alphas/report": "/alphas/report?study={study}",
}


def pages() -> list[str]:
    """The paths of the router that a browser may look at."""
    return [
        route.path
        for route in all_routes()
        if isinstance(route, Route) and route.method == "GET" and route.gives == "text/html"
    ]


def test_the_router_has_the_pages_that_are_looked_at() -> None:
    found = pages()
    assert {"/", "/knowledge", "/documents", "/anchors", "/alphas", "/signals"} <= {*found}
    assert {*DOWNLOADS} <= {*found}


def known(running: Running) -> dict[str, str]:
    """What stands for the parameters of paths, as far as it is there."""
    client = running.client
    listed = client.get("/checkpoints")["checkpoints"]
    served = [c for c in listed if c["status"] != "rejected"]
    found = {"chapter": "SETTINGS"}
    for study in client.get("/alphas.json")["studies"]:
        found["study"] = study
    if served:
        newest = served[0]
        found |= {
            "checkpoint_id": newest["checkpoint_id"],
            "cycle_id": str(newest["cycle_id"]),
            "job_id": newest["job_ids"][0],
            "example_id": f"{newest['job_ids'][0]}.0",
        }
    for checkpoint in listed:
        if checkpoint["status"] == "rejected":
            found["rejected"] = checkpoint["checkpoint_id"]
    for job in client.get("/jobs")["jobs"]:
        found[{"queued": "waiting"}.get(job["status"], job["status"])] = job["job_id"]
    for document in client.get("/documents")["documents"]:
        found["document_id"] = document["id"]
    return found


def filled(paths: list[str], values: dict[str, str]) -> list[str]:
    """The paths with their parameters; without those for which there is nothing."""
    found = [re.sub(r"{(\w+)}", lambda m: values.get(m[1], m[0]), path) for path in paths]
    return [f"{path}?action=pin" if path == "/move" else path for path in found if "{" not in path]


def evaluate(root: Path) -> None:
    """An evaluation of what two models wrote, as the alpha lab keeps it."""
    grader = Grader(made_up(300, 20))
    answers = ["rank(close)", "rank(close", "-1 * delta(close, 5)"]
    grades = [grader.grade(f"Ask {place}", answer) for place, answer in enumerate(answers)]
    scores = score(grades, grader.random_like(grades, 0))
    judged = [reporting.Judged(name, grades, scores, {}) for name in ("base", "stable")]
    settings = AlphaStudySettings(prompts=3, samples=1)
    reporting.write(root / "runs" / "alphas" / "first", judged, settings)


@pytest.fixture
def empty(serve: Callable[..., Running]) -> Running:
    return serve()


@pytest.fixture
def busy(checkpointed_root: Path, serve: Callable[..., Running]) -> Running:
    """Everything at once: harm, a canary, a pin, a pause, what waits, failed and was corrected."""
    evaluate(checkpointed_root)
    running = serve()
    client = running.client
    newest, *_ = (c for c in client.get("/checkpoints")["checkpoints"] if c["status"] != "rejected")
    overwrite(running, newest["checkpoint_id"], ["job_000002.0"] * 3)
    client.send_document("notes.md", b"# Zorbel House\n\nK9 opens its door.\n", tags="house")
    client.post("/training/pause", {"reason": "The machine renders until six."})
    client.post("/update", {"examples": as_input(FACTS[3:]), "tags": ["user:ann", "pumps"]})
    client.post("/pin", {"reason": "Looked at by hand."})
    other = client.get("/checkpoints")["checkpoints"][-1]["checkpoint_id"]
    client.post("/canary", {"checkpoint": other, "share": 0.5})
    return running


def look(page: Any, path: str) -> list[Any]:
    """What is wrong with an open page, in both themes, on a screen and on phones."""
    wrong: list[Any] = []
    if page.locator("h1").count() != 1:
        wrong.append((path, "has not one heading"))
    before = 0
    for width, theme in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=theme)
        found = violations(page, COLOURS) if width == before else violations(page)
        wrong += [(path, width, theme, *each) for each in found]
        before = width
    page.set_viewport_size({"width": 320, "height": 640})
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > 320:
        wrong.append((path, "is wider than a phone", wide))
    wrong += [(path, "hides columns", table) for table in page.evaluate(BESIDE_THE_SCREEN)]
    wrong += [(path, "begins beside the page", t) for t in page.evaluate(LEFT_OF_THE_PAGE)]
    wrong += [(path, "covers a row", name) for name in page.evaluate(LABELS_OVER_THE_NEXT_ROW)]
    return wrong


@pytest.mark.timeout(600)
@pytest.mark.parametrize("state", ["empty", "busy"])
def test_every_page_can_be_read_in_both_themes_on_every_screen_and_without_scripts(
    open_at: Callable[..., Any], request: pytest.FixtureRequest, state: str
) -> None:
    running: Running = request.getfixturevalue(state)
    url, values = running.client.url, known(running)
    every = [path for path in pages() if path not in DOWNLOADS]
    paths = filled([*every, *STATES], values)
    if state == "busy":
        assert len(paths) == len(every) + len(STATES), "each is there to be looked at"
    page = open_at(url, "/")
    refused = page.context.new_page()  # whose console tells of the status that is asked for
    bare = open_at(url, "/", java_script_enabled=False)
    wrong: list[Any] = []
    for path in paths:
        shown = refused if path in REFUSED else page
        shown.set_viewport_size({"width": WIDE, "height": 800})
        answer = shown.goto(path)
        assert answer.status == (404 if path in REFUSED else 200), path
        told = shown.evaluate(SPOKEN)
        if path not in REFUSED:
            bare.goto(path)
            text = bare.locator("#main").text_content()
            wrong += [
                (path, "is said with scripts only", word) for word in told if word not in text
            ]
        wrong += look(shown, path)
    alone = open_at(url, "about:blank")  # a report brings its own policy and style
    for path in filled(list(DOWNLOADS.values()), values):
        with urllib.request.urlopen(url + path) as answer:
            alone.set_content(answer.read().decode())
        wrong += look(alone, path)
    assert wrong == [], json.dumps(wrong, indent=1)

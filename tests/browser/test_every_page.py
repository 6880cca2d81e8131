"""Every page of the router, empty and after everything happened: who can read it, on any screen.

A page that is added must be opened here, for the pages are read from the router. Whoever looks has
signed in, and each page follows the service.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from radiance import config
from radiance.api.auth import keys
from radiance.api.route import Route
from radiance.labs.alphas.models import reporting
from radiance.labs.alphas.models.grading import Grader, score
from radiance.labs.alphas.models.study import AlphaStudySettings
from radiance.labs.alphas.values.synthetic import made_up
from radiance.web.site import all_routes
from tests.browser.axe import AXE_SCRIPT, violations
from tests.browser.charts import ink, told_by
from tests.support import FACTS, Running, as_input, start_service
from tests.web.reading import text_of
from tests.web.test_harm import overwrite

WIDE, PHONE = 1280, 390
# A second theme on a screen has other colours and the same elements.
LOOKS = ((WIDE, "light"), (WIDE, "dark"), (PHONE, "dark"), (PHONE, "light"))
# Tables of sentences whose columns do not all fit; matrices and tables of numbers may scroll.
BESIDE_THE_SCREEN = """[...document.querySelectorAll(".scroll > table:not(.matrix, .numbers)")]
    .filter((table) => table.scrollWidth > table.parentElement.clientWidth + 1)
    .map((table) => table.ariaLabel)"""
LABELS_OVER_THE_NEXT_ROW = """[...document.querySelectorAll(".cards td[data-label]")]
    .filter((cell) => cell.clientHeight
        && parseFloat(getComputedStyle(cell, "::before").height) > cell.clientHeight + 1)
    .map((cell) => cell.dataset.label)"""
# On two lines; a first letter has a box of its own on the same one.
BROKEN_IDS = """[...document.querySelectorAll("main a.id, h1 .nowrap")]
    .map((id) => [id.textContent, [...id.getClientRects()]])
    .filter(([, boxes]) => boxes.some((box) => box.top >= boxes[0].bottom))
    .map(([text]) => text)"""
# What stands above the first word of a page.
ABOVE = """document.querySelector(".side")?.offsetHeight ?? 0"""
# The smallest type in any figure, in pixels of the screen.
LEAST_TYPE = """() => Math.min(99, ...[...document.querySelectorAll("svg text")]
    .filter((text) => text.getClientRects().length)
    .map((text) => parseFloat(getComputedStyle(text).fontSize)
        * text.ownerSVGElement.getBoundingClientRect().width
        / text.ownerSVGElement.viewBox.baseVal.width))"""
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
# What moves by itself for longer than five seconds, beside what is read.
MOVING = """document.getAnimations()
    .filter((moving) => moving.effect.getComputedTiming().endTime > 5000)
    .map((moving) => moving.animationName)"""
LAYOUT = f"""() => [
    document.documentElement.scrollWidth, {BESIDE_THE_SCREEN}, {BROKEN_IDS}, {ABOVE},
    ({LEFT_OF_THE_PAGE})(), {LABELS_OVER_THE_NEXT_ROW}, ({LEAST_TYPE})()]"""
SPOKEN = """() => {
    const found = [];
    const walker = document.createTreeWalker(
        document.getElementById("main"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const { data, parentElement } = walker.currentNode;
        if (parentElement.closest("time, noscript, script, template, .plot, .legend b, .scripted"
            + ", #notify, [data-utc], [hidden]")) continue;
        found.push(...data.split(/\\s+/).filter(Boolean));
    }
    return found;
}"""
PLAIN = """
    body { background: rgb(255, 255, 255); color: rgb(0, 0, 0); }
    a.plain { color: rgb(40, 40, 40); text-decoration: none; }
    .pale { color: rgb(230, 230, 230); }
    .dark { background: rgb(40, 40, 40); min-height: 9rem; }
    .over { position: absolute; }
    .scroll { background: linear-gradient(to right, rgb(255, 255, 255), transparent); }
"""
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
STILL = ("/sign-in",)  # shows nothing of the service, to nobody in particular
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
    found = {"chapter": "API"}
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
def serve_keyed(brief: dict[str, Any]) -> Iterator[Callable[[Path], Running]]:
    """Start services that ask for a key, each with a client that has one."""
    started: list[Running] = []

    def start(root: Path) -> Running:
        settings = config.load(root, brief | {"access.required": "always"})
        secret, key = keys.new_key(frozenset({"admin"}), "admin")
        keys.write_file(settings.keys_path, [key])
        started.append(start_service(settings, secret))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def busy(checkpointed_root: Path, serve_keyed: Callable[[Path], Running]) -> Running:
    """Everything at once: harm, a canary, a pin, a pause, what waits, failed and was corrected."""
    evaluate(checkpointed_root)
    running = serve_keyed(checkpointed_root)
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


def look(page: Any, path: str, texts: set[str]) -> list[Any]:
    """What is wrong with an open page, in both themes, on a screen and on phones.

    What the alpha desk folds up is opened on phones; the signal lab has a test of its own.

    Args:
        page: It.
        path: Its path.
        texts: Kinds of text that can be told from what is behind them; added to.
    """
    wrong: list[Any] = []
    if page.locator("h1").count() != 1:
        wrong.append((path, "has not one heading"))
    width_before, theme_before = 0, ""
    for width, theme in LOOKS:
        if width != page.viewport_size["width"]:
            page.set_viewport_size({"width": width, "height": 800})
        if theme != theme_before:
            page.emulate_media(color_scheme=theme)
        if width == PHONE and path.startswith("/alphas"):
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found = violations(page, texts, in_another_theme=width == width_before)
        wrong += [(path, width, theme, *each) for each in found]
        width_before, theme_before = width, theme
    page.set_viewport_size({"width": 320, "height": 640})
    wide, hidden, cut, above, outside, covered, least = page.evaluate(LAYOUT)
    if wide > 320:
        wrong.append((path, "is wider than a phone", wide))
    wrong += [(path, "hides columns", table) for table in hidden]
    wrong += [(path, "breaks an id", name) for name in cut]
    if above > 64:
        wrong.append((path, "has links where the page should begin", above))
    wrong += [(path, "begins beside the page", words) for words in outside]
    wrong += [(path, "covers a row", name) for name in covered]
    if least < 9:
        wrong.append((path, "has type too small to be read", least))
    return wrong


def content(running: Running, path: str) -> str:
    """What a page has below its navigation, as it is sent."""
    asked = urllib.request.Request(running.client.url + path, headers={"Accept": "text/html"})
    try:
        with running.client.open(asked) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode()
    main = text.partition("<main")[2].partition("</main>")[0]
    assert main, path
    return f"<main{main}"


def look_at_room(page: Any, path: str) -> list[Any]:
    """The room that a page without scripts keeps for what only they draw."""
    page.goto(path)
    heights = page.locator(".plot").evaluate_all("all => all.map(e => e.clientHeight)")
    return [(path, "keeps room for scripts", height) for height in heights if height]


def look_at_charts(page: Any, path: str) -> list[Any]:
    """The charts that draw a series of which their table has no value, or the reverse."""
    return [
        (path, "draws other than it tells", chart, drawn, told)
        for chart, drawn in ink(page).items()
        if (told := told_by(page, chart)) != [pixels > 2 for pixels in drawn]
    ]


def look_at_all(
    running: Running,
    paths: list[str],
    open_at: Callable[..., Any],
    seen: set[str],
    texts: set[str],
) -> list[Any]:
    """What is wrong with the pages, but for those whose content was seen before.

    Args:
        running: The service.
        paths: Its pages.
        open_at: Opens pages.
        seen: Contents of pages that were looked at; added to.
        texts: Kinds of text that were; added to.
    """
    url, root = running.client.url, str(running.service.services.config.root)
    page = open_at(url, "/")
    page.get_by_label("API key").fill(running.client.key)
    page.keyboard.press("Enter")
    page.get_by_text("Signed in: admin").wait_for()
    page.locator("#live[data-state=live]").wait_for()
    wrong: list[Any] = [("/", "moves all the time", name) for name in page.evaluate(MOVING)]
    page.context.add_init_script(AXE_SCRIPT)
    refused = page.context.new_page()  # whose console tells of the status that is asked for
    for shown in (page, refused):
        shown.emulate_media(reduced_motion="reduce")
    session = page.context.storage_state()
    bare = open_at(url, "/", java_script_enabled=False, storage_state=session)
    for path in paths:
        sent = content(running, path)
        if (anywhere := sent.replace(root, "ROOT").replace(url, "URL")) in seen:
            continue
        seen.add(anywhere)
        shown = refused if path in REFUSED else page
        shown.set_viewport_size({"width": WIDE, "height": 800})
        answer = shown.goto(path)
        assert answer.status == (404 if path in REFUSED else 200), path
        if path not in REFUSED:
            text = text_of(sent)
            told = [word for word in shown.evaluate(SPOKEN) if word not in text]
            wrong += [(path, "is said with scripts only", word) for word in told]
            if shown.locator(".plot").count():
                wrong += look_at_room(bare, path)
                wrong += look_at_charts(shown, path)
            if path not in STILL:
                shown.locator("#live[data-state=live]").wait_for()
                if shown.get_by_text("Signed in: admin").count() != 1:
                    wrong.append((path, "does not say who is signed in"))
        wrong += look(shown, path, texts)
    return wrong


def test_what_cannot_be_told_from_what_is_behind_it_is_found(open_at: Callable[..., Any]) -> None:
    page = open_at("about:blank", "about:blank")
    page.set_content(f"<style>{PLAIN}</style>")
    for text, is_told in (
        ("<p>Words</p>", True),
        ('<p class="pale">Words</p>', False),
        ('<div class="scroll"><p>Words</p></div>', True),
        ('<div class="scroll"><p class="pale">Words</p></div>', False),
        ('<div class="dark over"><p class="pale">Words</p></div>', True),
        ('<div class="dark over"><p>Words</p></div>', False),
        ('<div class="dark"><p class="over">Words</p></div>', False),
        ('<p class="pale">→</p><p class="pale">Words</p>', False),
        ('<p class="pale" style="clip-path: inset(50%)">Words</p>', True),
        ('<p>Words and <a href="/">more</a> words</p>', True),
        ('<p>Words and <a href="/" class="plain">more</a> words</p>', False),
    ):
        page.evaluate("text => document.body.innerHTML = text", text)
        known: set[str] = set()
        for _ in range(2):  # what is broken stays so
            found = violations(page, known, in_another_theme=True)
            assert bool(found) != is_told, text


@pytest.mark.timeout(600)
def test_every_page_can_be_read_in_both_themes_on_every_screen_and_without_scripts(
    open_at: Callable[..., Any],
    busy: Running,
    serve_keyed: Callable[[Path], Running],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    every = [path for path in pages() if path not in DOWNLOADS]
    values = known(busy)
    paths = filled([*every, *STATES], values)
    assert len(paths) == len(every) + len(STATES), "each is there to be looked at"
    seen: set[str] = set()
    texts: set[str] = set()
    wrong = look_at_all(busy, paths, open_at, seen, texts)
    at_first = len(seen)
    alone = open_at(busy.client.url, "about:blank")  # a report brings its own policy and style
    for path in filled(list(DOWNLOADS.values()), values):
        with busy.client.open(urllib.request.Request(busy.client.url + path)) as answer:
            alone.set_content(answer.read().decode())
        wrong += look(alone, path, texts)

    empty = serve_keyed(tmp_path_factory.mktemp("empty"))
    wrong += look_at_all(empty, filled([*every, *STATES], known(empty)), open_at, seen, texts)
    assert len(seen) - at_first >= 15, "pages on which nothing is yet"
    assert wrong == [], json.dumps(wrong, indent=1)

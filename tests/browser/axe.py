"""axe-core on an open page: what of it some people cannot read or use.

Whether a text can be told from what is behind it follows from its colour, its size and the
backgrounds that it lies on. To find these axe looks at what lies at each place of a page, which is
most of what it takes; so of texts that have all of them in common it looks at one. Where axe cannot
tell it says so of every text again, so what is known to keep it from telling is left out: the shade
at the edges of a table that scrolls, texts in drawings, and the same words again.
"""

import json
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

_CONTRAST = "color-contrast"
_LINKS = "link-in-text-block"

# A text that lies over others by its position, on no background of its own, is looked at each time:
# what is behind it is not told by what it is in. All of a kind are looked at where axe cannot tell
# from the first. Of a text in a drawing it never can: the drawing is an image behind it.
_LOOK = """async (given) => {
    if (!("axe" in window)) return null;
    const [isWhole, [texts, links], known] = JSON.parse(given);
    const brief = { resultTypes: ["violations"], selectors: false };
    const whole = { ...brief, rules: { [texts]: { enabled: false } } };
    const wrong = isWhole ? (await axe.run(whole)).violations : [];
    const styles = new Map(), stacks = new Map(), kinds = new Map(), waiting = new Map();
    const isScrolled = ".scroll { background-image: none !important; }";  // its shade is a gradient
    const sheet = new CSSStyleSheet(), before = [...document.adoptedStyleSheets];
    sheet.replaceSync(isScrolled);
    document.adoptedStyleSheets = [...before, sheet];
    let alone = 0;
    const styleOf = (e) => styles.get(e) ?? styles.set(e, getComputedStyle(e)).get(e);
    const isClear = (colour) => colour === "transparent" || /^rgba\\(.*, 0\\)$/.test(colour);
    const stackOf = (e) => {
        if (!e) return { effects: "", behind: "", isCut: false };
        if (stacks.has(e)) return stacks.get(e);
        const s = styleOf(e);
        let { effects, behind, isCut } = stackOf(e.parentElement);
        const own = [s.opacity, s.filter, s.mixBlendMode, s.transform]
            .filter((value) => !["1", "none", "normal"].includes(value));
        if (own.length) effects += ` ${own.join(" ")} over (${behind})`;
        if (["absolute", "fixed"].includes(s.position)) behind += ` > of its own ${alone++}`;
        else if (s.position === "sticky") behind += " > sticky";
        if (s.backgroundColor.startsWith("rgb(")) behind = s.backgroundColor;
        else if (!isClear(s.backgroundColor)) behind += ` > ${s.backgroundColor}`;
        if (s.backgroundImage !== "none") behind += ` > ${s.backgroundImage}`;
        isCut ||= s.clipPath === "inset(50%)";
        stacks.set(e, { effects, behind, isCut });
        return stacks.get(e);
    };
    const kindOf = (e) => {
        if (!kinds.has(e)) {
            const s = styleOf(e), { effects, behind } = stackOf(e);
            const own = [s.color, s.fontSize, s.fontWeight, s.textShadow];
            kinds.set(e, `${own.join(" ")} on ${behind}${effects}`);
        }
        return kinds.get(e);
    };
    const wordsOf = (e) => `${e.textContent.trim()} in ${kindOf(e)}`;
    const looked = new Set(known);
    const fields = "input:not([type=checkbox], [type=radio], [type=hidden]), select, textarea";
    for (const e of document.querySelectorAll("body, body *")) {
        const isText = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!isText && !e.matches(fields) || e.closest("svg")) continue;
        const box = e.getBoundingClientRect();
        if (box.width <= 1 || box.height <= 1 || box.right < 0 || stackOf(e).isCut) continue;
        if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const kind = kindOf(e);
        if (looked.has(kind) || looked.has(wordsOf(e))) continue;
        if (!waiting.has(kind)) waiting.set(kind, []);
        waiting.get(kind).push(e);
    }
    const broken = [], told = [];
    // A link is told from the words around it by how both look.
    const around = (e) => styleOf(e).display === "inline" ? around(e.parentElement) : e;
    const newLinks = [...document.querySelectorAll("a[href]")].filter((e) => {
        const block = around(e), { textDecorationLine, borderBottomStyle } = styleOf(e);
        const isAmong = block.textContent.trim().length > e.textContent.trim().length;
        const kind = `${kindOf(e)} ${textDecorationLine} ${borderBottomStyle} in ${kindOf(block)}`;
        if (!isAmong || looked.has(kind) || !e.checkVisibility()) return false;
        told.push(kind);
        return true;
    });
    if (newLinks.length) {
        const found = await axe.run(
            { include: newLinks }, { ...brief, runOnly: { type: "rule", values: [links] } });
        broken.push(...found.violations.map((one) => [one.id, one.nodes[0].html]));
    }
    for (const most of [1, Infinity]) {
        const include = [...waiting.values()].flatMap((all) => all.slice(0, most));
        if (!include.length) break;
        const found = await axe.run({ include }, {
            ...brief,
            runOnly: { type: "rule", values: [texts] },
            resultTypes: ["violations", "passes"],
            elementRef: true,
        });
        for (const { nodes } of [...found.violations, ...found.passes])
            for (const { element } of nodes) if (waiting.delete(kindOf(element)))
                told.push(kindOf(element));
        broken.push(...found.violations.map((one) => [one.id, one.nodes[0].html]));
    }
    document.adoptedStyleSheets = before;
    for (const all of waiting.values()) told.push(...all.map(wordsOf));
    return JSON.stringify([
        wrong.map((one) => [one.id, one.nodes[0].html]),
        broken,
        told.filter((kind) => !kind.includes("of its own")),
    ]);
}"""


def violations(
    page: Any, known: set[str] | None = None, *, in_another_theme: bool = False
) -> list[tuple[str, str]]:
    """The rules that the page breaks, each with the first element that does.

    The script is half a megabyte, so a document is given it once.

    Args:
        page: An open page.
        known: Kinds of texts and links that were looked at on other pages; added to.
        in_another_theme: All but the colours was looked at.
    """
    known = set() if known is None else known
    # As one text, for each value of an argument is wrapped.
    given = json.dumps([not in_another_theme, [_CONTRAST, _LINKS], sorted(known)])
    if (answer := page.evaluate(_LOOK, given)) is None:
        page.evaluate(AXE_SCRIPT)
        answer = page.evaluate(_LOOK, given)
    found, broken, told = json.loads(answer)
    if not broken:
        known.update(told)
    return [(rule, element) for rule, element in [*found, *broken]]

"""axe-core on an open page: what of it some people cannot read or use.

Whether a text can be told from what is behind it follows from its colour, its size and the
backgrounds that it lies on. To find these axe looks at what lies at each place of a page, which is
most of what it takes; so of texts that have all of them in common it looks at one.
"""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

_CONTRAST = "color-contrast"
EVERYTHING: dict[str, Any] = {"rules": {_CONTRAST: {"enabled": False}}}
COLOURS: dict[str, Any] = {"runOnly": {"type": "rule", "values": ["link-in-text-block"]}}
"""The rules of colours alone, for another theme of a page that was looked at."""

_LOOK = """async (options) =>
    (await axe.run({ resultTypes: ["violations"], ...options })).violations
        .map((broken) => [broken.id, broken.nodes[0].html])"""
# A text that lies over others by its position is looked at each time: what is behind it is not
# told by what it is in. All of a kind are looked at where axe cannot tell from the first.
_LOOK_AT_TEXTS = """async ([rule, known]) => {
    const styles = new Map(), stacks = new Map(), kinds = new Map(), waiting = new Map();
    let alone = 0;
    const styleOf = (e) => styles.get(e) ?? styles.set(e, getComputedStyle(e)).get(e);
    const isClear = (colour) => colour === "transparent" || /, 0\\)$/.test(colour);
    const stackOf = (e) => {
        if (!e) return "";
        if (stacks.has(e)) return stacks.get(e);
        const s = styleOf(e), above = stackOf(e.parentElement);
        let own = [s.opacity, s.filter, s.mixBlendMode, s.transform, s.position]
            .filter((value) => !["1", "none", "normal", "static", "relative"].includes(value));
        if (["absolute", "fixed"].includes(s.position)) own.push(`of its own ${alone++}`);
        if (!isClear(s.backgroundColor)) own.push(s.backgroundColor);
        if (s.backgroundImage !== "none") own.push(s.backgroundImage);
        stacks.set(e, own.length ? `${above} > ${own.join(" ")}` : above);
        return stacks.get(e);
    };
    const kindOf = (e) => {
        if (!kinds.has(e)) {
            const s = styleOf(e);
            const own = [s.color, s.fill, s.fontSize, s.fontWeight, s.textShadow];
            kinds.set(e, `${own.join(" ")} on ${stackOf(e)}`);
        }
        return kinds.get(e);
    };
    const looked = new Set(known);
    for (const e of document.querySelectorAll("body, body *")) {
        const isText = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!isText && !e.matches("input, select, textarea")) continue;
        const box = e.getBoundingClientRect();
        if (box.width <= 1 || box.height <= 1 || box.right < 0) continue;
        if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const kind = kindOf(e);
        if (looked.has(kind)) continue;
        if (!waiting.has(kind)) waiting.set(kind, []);
        waiting.get(kind).push(e);
    }
    const broken = [], told = [];
    for (const most of [1, Infinity]) {
        const include = [...waiting.values()].flatMap((all) => all.slice(0, most));
        if (!include.length) break;
        const found = await axe.run({ include }, {
            runOnly: { type: "rule", values: [rule] },
            resultTypes: ["violations", "passes"],
            elementRef: true,
        });
        for (const { nodes } of [...found.violations, ...found.passes])
            for (const { element } of nodes) if (waiting.delete(kindOf(element)))
                told.push(kindOf(element));
        broken.push(...found.violations.map((one) => [one.id, one.nodes[0].html]));
    }
    return [broken, told.filter((kind) => !kind.includes("of its own"))];
}"""


def violations(
    page: Any, options: dict[str, Any] = EVERYTHING, known: set[str] | None = None
) -> list[tuple[str, str]]:
    """The rules that the page breaks, each with the first element that does.

    The script is half a megabyte, so a document is given it once.

    Args:
        page: An open page.
        options: The rules, but for the contrast of texts, which is always looked at.
        known: Kinds of text that were looked at on other pages; added to.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    known = set() if known is None else known
    found = page.evaluate(_LOOK, options)
    broken, told = page.evaluate(_LOOK_AT_TEXTS, [_CONTRAST, sorted(known)])
    if not broken:
        known.update(told)
    return [(rule, element) for rule, element in [*found, *broken]]

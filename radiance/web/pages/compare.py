"""Two checkpoints beside each other: what one scored, learned and was made with, and the other."""

from typing import Any

from starlette.requests import Request

from radiance.api.anchors import MOST_LISTED, overwritten_in
from radiance.api.services import Services
from radiance.errors import CorruptCheckpoint
from radiance.records import Manifest, Probe
from radiance.registry.store import BASE
from radiance.web import named
from radiance.web.page import Data, Page
from radiance.web.pages.anchors import described
from radiance.web.pages.checkpoints import REPORT
from radiance.web.told import told

_MOST_LISTED = 200
_MOST_EXAMPLES = 30


def describe(services: Services, request: Request) -> Data:
    """The difference between ``?a=`` and ``?b=``; the newest and its parent where none is named."""
    newest = services.registry.all(_MOST_LISTED)
    choices = [checkpoint.checkpoint_id for checkpoint in newest]
    b = request.query_params.get("b") or (choices[0] if choices else BASE)
    parent = BASE if b == BASE else services.registry.get(b).parent_id or BASE
    a = request.query_params.get("a") or parent
    only_a, only_b = _apart(services, a, b)
    return {
        "a": a,
        "b": b,
        "choices": [BASE, *(id for id in dict.fromkeys([a, b, *choices]) if id != BASE)],
        "names": named.choices(services, newest),
        "report": _report(services, a, b),
        "settings": _settings(services, a, b),
        "only_a": _examples(services, *only_a),
        "only_b": _examples(services, *only_b),
        "anchors": _anchors(services, a, b),
        "overwritten": _overwritten(services, a, b),
    }


def _report(services: Services, a: str, b: str) -> list[Data]:
    left, right = (None if x == BASE else services.registry.get(x).report for x in (a, b))
    found = []
    for name, label, kind in REPORT:
        x, y = (getattr(report, name) if report else None for report in (left, right))
        change = None if x is None or y is None else y - x
        found.append({"name": name, "label": label, "kind": kind, "a": x, "b": y, "change": change})
    return found


def _settings(services: Services, a: str, b: str) -> list[Data]:
    """The settings of training that differ."""
    left, right = (_manifest(services, x) for x in (a, b))
    if left is None or right is None:
        return []
    pairs: list[tuple[str, Any, Any]] = [
        ("seed", left.seed, right.seed),
        ("steps", left.steps, right.steps),
    ]
    pairs.append(("scaled_to", left.scaled_to, right.scaled_to))
    for section in ("training", "anchor"):
        x, y = getattr(left, section), getattr(right, section)
        pairs += [(f"{section}.{n}", x.get(n), y.get(n)) for n in sorted({*x, *y})]
    return [{"name": n, "a": str(x), "b": str(y)} for n, x, y in pairs if x != y]


def _manifest(services: Services, checkpoint_id: str) -> Manifest | None:
    if checkpoint_id == BASE:
        return None
    try:
        return services.registry.manifest(checkpoint_id)
    except CorruptCheckpoint:
        return None


def _apart(
    services: Services, a: str, b: str
) -> tuple[tuple[int, list[str]], tuple[int, list[str]]]:
    """What the lineage of one has and the other's has not: how much, and the newest of it."""
    nothing: tuple[int, list[str]] = (0, [])
    if a == b:
        return nothing, nothing
    if BASE in (a, b):
        tip = a if b == BASE else b
        updates, _ = services.registry.taught(tip)
        whole = (updates, services.registry.ancestors(tip, _MOST_EXAMPLES))
        return (whole, nothing) if b == BASE else (nothing, whole)
    left, right = services.registry.apart(a, b)
    return (len(left), left), (len(right), right)


def _examples(services: Services, updates: int, left: list[str]) -> Data:
    """What these checkpoints learned."""
    listed: list[Data] = []
    for checkpoint_id in left:
        listed += [
            {**told(example), "checkpoint": checkpoint_id}
            for example in services.examples.of_jobs(services.registry.get(checkpoint_id).job_ids)
        ]
        if len(listed) > _MOST_EXAMPLES:
            break
    is_cut = len(listed) > _MOST_EXAMPLES or len(left) < updates
    return {"updates": updates, "examples": listed[:_MOST_EXAMPLES], "is_cut": is_cut}


def _overwritten(services: Services, a: str, b: str) -> Data:
    """Old facts that the second overwrote and the first did not, with both answers."""
    before = {each.anchor for each in services.registry.overwritten_in(a)}
    found = overwritten_in(services, None if b == BASE else b, limit=None)
    rows = [each for each in found.anchors if each.anchor not in before]
    return {"count": len(rows), "rows": described(services, rows[:MOST_LISTED])}


def _anchors(services: Services, a: str, b: str) -> Data | None:
    """Anchors that one answers exactly and the other does not."""
    exact: list[dict[str, Probe]] = []
    try:
        for checkpoint_id in (a, b):
            if checkpoint_id != BASE:
                probes = services.registry.evaluation(checkpoint_id).anchors
                exact.append({probe.id: probe for probe in probes})
    except CorruptCheckpoint:
        return None
    if not exact:
        return None
    left = exact[0] if a != BASE else {}
    right = exact[-1] if b != BASE else {}
    ids = set(left or right) & set(right or left)

    def is_exact(side: dict[str, Probe], other: dict[str, Probe], id: str) -> bool:
        return side[id].is_exact if side else other[id].was_exact_in_base

    held = {anchor.example.id: anchor.example for anchor in services.anchors.anchors}

    def named(ids: list[str]) -> list[Data]:
        found = []
        for id in ids:
            turns = held[id].messages if id in held else ()
            asked = {"question": turns[-2].content, "answer": turns[-1].content} if turns else {}
            found.append({"id": id, "question": "", "answer": "", **asked})
        return found

    lost = sorted(i for i in ids if is_exact(left, right, i) and not is_exact(right, left, i))
    gained = sorted(i for i in ids if is_exact(right, left, i) and not is_exact(left, right, i))
    return {"measured": len(ids), "lost": named(lost), "gained": named(gained)}


PAGE = Page(
    path="/compare",
    title="Compare checkpoints",
    template="compare.html",
    describe=describe,
    section="/checkpoints",
)

"""Moving what is served, from the page: first what would happen, then a button that does it."""

import io
import tempfile
import zipfile
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from radiance import ember
from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.route import get
from radiance.api.services import Services, services_of
from radiance.errors import Conflict, RequestError
from radiance.exchange.exporting import export_checkpoint, find_source
from radiance.records import Checkpoint, CheckpointStatus, Example
from radiance.registry.acceptance import acceptances, is_risky_by_overwriting_alone
from radiance.registry.store import BASE, Registry
from radiance.web.forms import Fields
from radiance.web.named import choices as known_as
from radiance.web.page import Data, Page
from radiance.web.told import all_told
from radiance.web.wording import plural

ACTIONS = ("promote", "rollback", "pin", "unpin", "export")
_DEFAULT_REASON = "Asked for on the dashboard."
_MOST_CHARACTERS = 1000
_MOVES = ("promote", "rollback", "pin")
_MOST_LISTED, _MOST_SHOWN = 200, 20


def describe(services: Services, request: Request) -> Data:
    """What ``?action=`` on ``?checkpoint=`` would change: which facts go, which come."""
    action, target = _asked(request)
    serving = services.registry.current_id() or BASE
    choices = _earlier(services, serving) if action == "rollback" else []
    harms = _harms(services, [target, *choices] if target else choices)
    if action == "rollback" and target is None:
        target = _harmless(choices, harms)
    target = target or serving
    checkpoint = None if target == BASE else services.registry.get(target)
    moves = target != serving and action in _MOVES
    progress = services.pipeline.progress
    return {
        "action": action,
        "target": target,
        "status": checkpoint.status if checkpoint else CheckpointStatus.BASE,
        "current": serving,
        "moves": moves,
        "pinned": msgspec.to_builtins(services.registry.pinned()),
        "report": msgspec.to_builtins(checkpoint.report) if checkpoint else None,
        "needs_force": bool(checkpoint and checkpoint.status == CheckpointStatus.REJECTED),
        "withdrawn": target in services.registry.withdrawn(),
        "choices": choices,
        "passed_over": []
        if request.query_params.get("checkpoint") or target not in choices
        else choices[: choices.index(target)],
        "harms": harms,
        "names": known_as(services, services.registry.all(_MOST_LISTED)),
        "changes": _changes(services, serving, target) if moves else None,
        "cycle": progress.cycle.id if moves and progress else None,
    }


def _changes(services: Services, serving: str, target: str) -> Data:
    """What is no longer known once ``target`` serves, what is known besides, and what comes back.

    Facts that the other has too, as they were corrected, count on neither side.
    """
    old = [] if serving == BASE else services.registry.ancestors(serving)
    if target in old:  # read once: thousands of checkpoints after years
        new = old[old.index(target) :]
    else:
        new = [] if target == BASE else services.registry.ancestors(target)
    had, has = set(old), set(new)
    gone = [name for name in old if name not in has]
    come = [name for name in new if name not in had]
    differ = [*gone, *come]  # of all other questions both say the same
    again = {pair.example_id for pair in services.examples.superseded(old, differ)}
    again -= {pair.example_id for pair in services.examples.superseded(new, differ)}
    learned = {e.id: e for e in services.examples.by_ids(sorted(again))}
    valid = [e for e in learned.values() if _checkpoint_of(services, e.id) in has]
    lost = {each.anchor for each in services.registry.overwritten_in(serving)}
    kept = {each.anchor for each in services.registry.overwritten_in(target)}
    return {
        "gone": _learned(services, gone),
        "come": _learned(services, come),
        "again": {"count": len(valid), "examples": all_told(valid[:_MOST_SHOWN])},
        "restored": len(lost - kept),
        "overwritten": len(kept - lost),
    }


def _checkpoint_of(services: Services, example_id: str) -> str | None:
    return services.jobs.get(example_id.partition(".")[0]).checkpoint


def _learned(services: Services, checkpoints: list[str]) -> Data:
    """What some checkpoints learned, the newest first."""
    listed: list[Example] = []
    for name in checkpoints:
        if len(listed) < _MOST_SHOWN:
            listed += services.examples.of_jobs(services.registry.get(name).job_ids)
    shown = all_told(listed[:_MOST_SHOWN])
    return {"updates": len(checkpoints), "examples": shown}


def _earlier(services: Services, serving: str) -> list[str]:
    """What a rollback can go to: what served before and is older, the latest first, then the base.

    Never forward: after a pin to an older checkpoint the newer one served before, too. None that
    learned what was forgotten since.
    """
    if serving == BASE:
        return []
    served = services.registry.history()
    older = {c.checkpoint_id for c in services.registry.all(_MOST_LISTED, serving)}
    before = [name for name in dict.fromkeys(reversed(served)) if name in older]
    chain = services.registry.ancestors(serving, _MOST_LISTED)[1:]
    never = services.registry.withdrawn() | services.registry.pruned()
    return [*(name for name in dict.fromkeys([*before, *chain]) if name not in never), BASE]


def _harmless(choices: list[str], harms: dict[str, str]) -> str | None:
    """The latest that a rollback can go to and did no harm."""
    return next((name for name in choices if name not in harms), None)


def _harms(services: Services, names: list[str]) -> dict[str, str]:
    """What checkpoints did that nobody has accepted, as clauses; none of those that did nothing."""
    known = set(acceptances(services.registry.db))
    checkpoints = services.registry.some(name for name in names if name != BASE)
    found = {c.checkpoint_id: _harm(services.registry, c, known) for c in checkpoints}
    return {name: harm for name, harm in found.items() if harm}


def _harm(registry: Registry, checkpoint: Checkpoint, known: set[tuple[str, str]]) -> str:
    if checkpoint.status != CheckpointStatus.RISKY:
        return ""
    name, many = checkpoint.checkpoint_id, checkpoint.report.overwritten or 0
    if many <= len(known):  # else some of it is not, whichever was accepted
        found = {(each.anchor, each.example_id) for each in registry.overwritten_in(name)}
        many = len(found - known)
        if found and not many and is_risky_by_overwriting_alone(registry, name):
            return ""
    return f"{plural(many, 'old fact')} overwritten" if many else "risky"


def act(services: Services, request: Request, fields: Fields) -> str:
    """Do it, in the name of whoever asked."""
    action, target = _asked(request)
    target = fields.get("checkpoint") or target
    given = fields.get("reason", "")[:_MOST_CHARACTERS]
    reason, actor = checked_reason(given, _DEFAULT_REASON), actor_of(request, "dashboard")
    shown, serving = fields.get("serving"), services.registry.current_id() or BASE
    if shown and shown != serving and action in _MOVES:
        raise Conflict(
            f"{serving} serves by now, no longer {shown}.",
            field="serving",
            value=shown,
            remedy="See below what this would change now, and decide again.",
        )
    match action:
        case "promote":
            force = fields.get("force") == "yes"
            services.pointer.promote(target or "", actor, reason, force=force)
        case "rollback":
            if target is None:
                choices = _earlier(services, serving)
                target = _harmless(choices, _harms(services, choices))
            services.pointer.rollback(target, actor, reason)
        case "pin":
            services.pointer.pin(target, actor, reason)
        case "unpin":
            services.pointer.unpin(actor, reason)
        case _:
            return f"/checkpoints/{target}/export.zip"
    return f"/checkpoints?done={action}"


def _asked(request: Request) -> tuple[str, str | None]:
    """The action and its target, None where none is named."""
    action = request.query_params.get("action", "")
    if action not in ACTIONS:
        raise RequestError.of(
            "action",
            "there is nothing to confirm",
            action,
            f"Come from a button of the page of checkpoints ({', '.join(ACTIONS)}).",
        )
    return action, request.query_params.get("checkpoint") or None


def download(request: Request) -> Response:
    """The adapter of a checkpoint as mlx-lm loads it, with a model card, in an archive."""
    services, checkpoint_id = services_of(request), request.path_params["checkpoint_id"]
    held = io.BytesIO()
    # Files are copied, not computed with: this thread must not touch MLX.
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / checkpoint_id
        source = find_source(services.config, checkpoint_id)
        export_checkpoint(services.config, source, "mlx", target, ember.MODEL_PATH)
        with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(target.rglob("*")):
                archive.write(path, Path(checkpoint_id) / path.relative_to(target))
    headers = {"Content-Disposition": f'attachment; filename="{checkpoint_id}.zip"'}
    return Response(held.getvalue(), media_type="application/zip", headers=headers)


PAGE = Page(
    path="/move",
    title="Confirm",
    template="move.html",
    describe=describe,
    section="/checkpoints",
    act=act,
    scope="admin",
)
ROUTES = [
    get("/checkpoints/{checkpoint_id}/export.zip", download, "admin", gives="application/zip"),
]

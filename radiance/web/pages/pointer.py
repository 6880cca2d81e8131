"""Moving what is served, from the page: first what would happen, then a button that does it."""

import io
import tempfile
import zipfile
from pathlib import Path

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from radiance import ember
from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.route import get
from radiance.api.services import Services, services_of
from radiance.errors import RequestError
from radiance.exchange.exporting import export_checkpoint, find_source
from radiance.records import CheckpointStatus
from radiance.registry.store import BASE
from radiance.web.forms import Fields
from radiance.web.page import Data, Page

ACTIONS = ("promote", "rollback", "pin", "unpin", "export")
_DEFAULT_REASON = "Asked for on the dashboard."
_MOST_CHARACTERS = 1000


def describe(services: Services, request: Request) -> Data:
    """What ``?action=`` on ``?checkpoint=`` would change."""
    action, target = _asked(request)
    current = services.registry.current()
    checkpoint = None if target in (None, BASE) else services.registry.get(target)
    return {
        "action": action,
        "target": target or (current.checkpoint_id if current else BASE),
        "status": checkpoint.status if checkpoint else CheckpointStatus.BASE,
        "current": current.checkpoint_id if current else BASE,
        "pinned": msgspec.to_builtins(services.registry.pinned()),
        "report": msgspec.to_builtins(checkpoint.report) if checkpoint else None,
        "needs_force": bool(checkpoint and checkpoint.status == CheckpointStatus.REJECTED),
    }


def act(services: Services, request: Request, fields: Fields) -> str:
    """Do it, in the name of whoever asked."""
    action, target = _asked(request)
    given = fields.get("reason", "")[:_MOST_CHARACTERS]
    reason, actor = checked_reason(given, _DEFAULT_REASON), actor_of(request, "dashboard")
    match action:
        case "promote":
            force = fields.get("force") == "yes"
            services.pointer.promote(target or "", actor, reason, force=force)
        case "rollback":
            services.pointer.rollback(target, actor, reason)
        case "pin":
            services.pointer.pin(target, actor, reason)
        case "unpin":
            services.pointer.unpin(actor, reason)
        case _:
            return f"/checkpoints/{target}/export.zip"
    return f"/checkpoints?done={action}"


def _asked(request: Request) -> tuple[str, str | None]:
    action = request.query_params.get("action", "")
    if action not in ACTIONS:
        raise RequestError(
            f"action: {action!r} is not a known action.",
            field="action",
            value=action,
            remedy=f"One of {', '.join(ACTIONS)}.",
        )
    return action, request.query_params.get("checkpoint") or None


async def download(request: Request) -> Response:
    """The adapter of a checkpoint as mlx-lm loads it, with a model card, in an archive."""
    checkpoint_id = request.path_params["checkpoint_id"]
    data = await run_in_threadpool(_zip, services_of(request), checkpoint_id)
    named = f'attachment; filename="{checkpoint_id}.zip"'
    return Response(data, media_type="application/zip", headers={"Content-Disposition": named})


def _zip(services: Services, checkpoint_id: str) -> bytes:
    """Files are copied, not computed with: this thread must not touch MLX."""
    held = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / checkpoint_id
        source = find_source(services.config, checkpoint_id)
        export_checkpoint(services.config, source, "mlx", target, ember.MODEL_PATH)
        with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(target.rglob("*")):
                archive.write(path, Path(checkpoint_id) / path.relative_to(target))
    return held.getvalue()


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

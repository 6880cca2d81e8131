"""The table of URLs."""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from radiance.api import audit, feedback, info, lineage, moves, operations, search, update
from radiance.api.errors import HANDLERS
from radiance.api.rooms import RoomsGetter

ROUTES = [
    Route("/search", search.search, methods=["POST"]),
    Route("/update", update.update, methods=["POST"]),
    Route("/feedback", feedback.send_feedback, methods=["POST"]),
    Route("/feedback", feedback.list_feedback, methods=["GET"]),
    Route("/info", info.info, methods=["GET"]),
    Route("/jobs", operations.list_jobs, methods=["GET"]),
    Route("/jobs/{job_id}", operations.show_job, methods=["GET"]),
    Route("/jobs/{job_id}/cancel", operations.cancel_job, methods=["POST"]),
    Route("/jobs/{job_id}/retry", operations.retry_job, methods=["POST"]),
    Route("/checkpoints", operations.list_checkpoints, methods=["GET"]),
    Route("/checkpoints/{checkpoint_id}", operations.show_checkpoint, methods=["GET"]),
    Route("/checkpoints/{checkpoint_id}/evaluation", operations.show_evaluation, methods=["GET"]),
    Route("/checkpoints/{checkpoint_id}/lineage", lineage.show_lineage, methods=["GET"]),
    Route("/rollback", moves.rollback, methods=["POST"]),
    Route("/promote", moves.promote, methods=["POST"]),
    Route("/pin", moves.pin, methods=["POST"]),
    Route("/unpin", moves.unpin, methods=["POST"]),
    Route("/audit", audit.list_entries, methods=["GET"]),
    Route("/audit/verify", audit.verify_log, methods=["GET"]),
    Route("/health", operations.health, methods=["GET"]),
    Route("/ready", operations.ready, methods=["GET"]),
]


def create_app(rooms: RoomsGetter, lifespan: Callable[[Any], Any] | None = None) -> Starlette:
    """The ASGI application.

    Args:
        rooms: Gives the running service's rooms; raises Unavailable until it has started.
        lifespan: Starlette's, for whoever starts and stops the service with the application.
    """
    app = Starlette(routes=ROUTES, exception_handlers=HANDLERS, lifespan=lifespan)
    app.state.rooms = rooms
    return app

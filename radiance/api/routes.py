"""The table of URLs: who may ask each, what it takes and what it gives."""

from collections.abc import Callable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from radiance import extensions
from radiance.api import (
    anchors,
    anthropic,
    audit,
    canary,
    checkpoints,
    document_questions,
    documents,
    exposition,
    feedback,
    forgetting,
    health,
    imports,
    info,
    jobs,
    knowledge,
    lineage,
    mcp,
    openapi,
    pointer,
    search,
    training,
    update,
)
from radiance.api.arrival import BodyGuard
from radiance.api.auth.access import ANY, Access, OriginGuard
from radiance.api.errors import HANDLERS
from radiance.api.openai.routes import ROUTES as OPENAI_ROUTES
from radiance.api.request_log import HttpStats, RequestLog
from radiance.api.route import JSON, OPEN, Route, Schema, delete, get, post
from radiance.api.services import ServicesGetter
from radiance.api.slashes import SingleSlashes
from radiance.config import Config
from radiance.examples.admission import UpdateBody
from radiance.records import JobStatus

LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}


_SERVICE = [
    post("/search", search.search, "infer"),
    post("/update", update.update, "update", takes=UpdateBody, status=202),
    post("/feedback", feedback.send_feedback, "infer", status=201),
    get("/feedback", feedback.list_feedback, "admin", queries={"limit": LIMIT}),
    get("/info", info.info, "infer"),
    get(
        "/knowledge",
        knowledge.list_knowledge,
        "infer",
        queries={
            "q": {"type": "string", "maxLength": 200},
            "tag": {"type": "string", "maxLength": 200},
            "view": {"type": "string", "enum": list(knowledge.VIEWS), "default": "known"},
            "before": {"type": "string"},
            "limit": LIMIT,
        },
    ),
    post(
        "/documents",
        documents.add_document,
        "update",
        takes=documents.DocumentForm,
        takes_media="multipart/form-data",
        status=201,
    ),
    get(
        "/documents",
        documents.list_documents,
        "infer",
        queries={"limit": LIMIT, "before": {"type": "string"}},
    ),
    get(
        "/documents/{document_id}",
        documents.show_document,
        "infer",
        queries={"limit": LIMIT, "begin": {"type": "integer", "minimum": 0}},
    ),
    get("/documents/{document_id}/questions", document_questions.list_questions, "infer"),
    post(
        "/documents/{document_id}/questions",
        document_questions.settle_questions,
        "update",
        takes=document_questions.QuestionsBody,
    ),
    get(
        "/jobs",
        jobs.list_jobs,
        "update",
        queries={"limit": LIMIT, "status": {"type": "string", "enum": list(JobStatus)}},
    ),
    get("/jobs/{job_id}", jobs.show_job, "update"),
    post("/jobs/{job_id}/cancel", jobs.cancel_job, "update", takes=None),
    post("/jobs/{job_id}/retry", jobs.retry_job, "update", takes=None),
    get("/checkpoints", checkpoints.list_checkpoints, "infer", queries={"limit": LIMIT}),
    get("/checkpoints/{checkpoint_id}", checkpoints.show_checkpoint, "infer"),
    post("/checkpoints/{checkpoint_id}/label", checkpoints.label_checkpoint, "admin"),
    get("/checkpoints/{checkpoint_id}/evaluation", checkpoints.show_evaluation, "update"),
    get(
        "/checkpoints/{checkpoint_id}/lineage",
        lineage.show_lineage,
        "update",
        queries={"limit": LIMIT},
    ),
    post("/import", imports.import_checkpoint, "admin", status=201),
    post("/rollback", pointer.rollback, "admin"),
    post("/promote", pointer.promote, "admin"),
    post("/pin", pointer.pin, "admin"),
    post("/unpin", pointer.unpin, "admin"),
    post("/prune", checkpoints.prune_checkpoints, "admin"),
    post("/anchors/accept", anchors.accept_anchors, "admin"),
    post("/forget", forgetting.forget, "admin", status=202),
    get("/forget", forgetting.list_forgets, "admin", queries={"limit": LIMIT}),
    get("/canary", canary.show_canary, "infer"),
    post("/canary", canary.start_canary, "admin", status=201),
    delete(
        "/canary",
        canary.stop_canary,
        "admin",
        queries={"reason": {"type": "string", "maxLength": 1000}},
    ),
    get("/training", training.show_training, "infer"),
    post("/training/pause", training.pause, "admin"),
    post("/training/resume", training.resume, "admin"),
    get(
        "/audit",
        audit.list_entries,
        "admin",
        queries={"limit": LIMIT, "before": {"type": "integer", "minimum": 1}},
    ),
    get(
        "/audit/verify",
        audit.verify_log,
        "admin",
        queries={"head": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
    ),
    # JSON-RPC, which says itself what it takes: it does not stand in the API document.
    post("/mcp", mcp.exchange, ANY, takes=dict[str, Any], gives=JSON, is_documented=False),
    get("/openapi.json", openapi.show_openapi, "infer", gives=JSON),
    get("/metrics", exposition.metrics, "infer", gives="text/plain"),
    get("/health", health.health, OPEN),
    get("/ready", health.ready, OPEN, others={503: health.NotReady}),
]

_ANTHROPIC = [
    post(
        "/v1/messages",
        anthropic.create_message,
        "infer",
        takes=anthropic.MessagesBody,
        streams=anthropic.StreamEvent,
    ),
    post("/v1/messages/count_tokens", anthropic.count_tokens, "infer", takes=anthropic.CountBody),
]

ROUTES: list[Route] = [*_SERVICE, *OPENAI_ROUTES, *_ANTHROPIC]


def all_routes() -> list[Route]:
    """The table, and the routes of the extensions that are installed.

    Raises:
        TypeError: An extension has a route that does not say who may ask it.
    """
    found = list(ROUTES)
    for extension in extensions.installed():
        found += scoped(extension.name, extension.routes())
    return found


def scoped(name: str, routes: Iterable[BaseRoute]) -> list[Route]:
    """The routes of the extension ``name``.

    Raises:
        TypeError: One does not say who may ask it: nothing would look at the caller's key.
    """
    found = []
    for route in routes:
        if not isinstance(route, Route):
            raise TypeError(f"extension {name}: {route} is no {Route.__module__}.Route")
        found.append(route)
    return found


def create_app(
    services: ServicesGetter,
    config: Config,
    lifespan: Callable[[Any], Any] | None = None,
) -> Starlette:
    """The ASGI application.

    Args:
        services: Gives the running service's parts; raises Unavailable until it has started.
        config: All settings.
        lifespan: Starlette's, for whoever starts and stops the service with the application.

    Raises:
        ConfigError: Requests need an API key, and there is none.
    """
    access = Access(config)
    stats = HttpStats()
    middleware = [
        Middleware(SingleSlashes),
        Middleware(RequestLog, stats=stats),
        Middleware(OriginGuard, access=access),
        Middleware(BodyGuard, timeout_s=config.server.receive_timeout_s),
    ]
    if access.cors_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=access.cors_origins,
                allow_methods=["*"],
                allow_headers=["*"],
                allow_private_network=True,  # a listed page may reach loopback
                expose_headers=["*"],
            )
        )
    app = Starlette(
        routes=all_routes(), middleware=middleware, exception_handlers=HANDLERS, lifespan=lifespan
    )
    app.state.services = services
    app.state.access = access
    app.state.http_stats = stats
    return app

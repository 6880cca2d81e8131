"""The table of URLs, with the scope that an API key must have for each."""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from radiance.api import (
    audit,
    canary,
    exchange,
    feedback,
    info,
    lineage,
    metrics,
    openapi,
    operations,
    pointer,
    search,
    training,
    update,
)
from radiance.api.auth.access import OPEN, Access, OriginGuard, Route
from radiance.api.errors import HANDLERS
from radiance.api.openai import adapters, chat, completions, fine_tuning, models, uploads
from radiance.api.request_log import HttpStats, RequestLog
from radiance.api.services import ServicesGetter
from radiance.config import Config
from radiance.labs.alphas import routes as alphas
from radiance.labs.signals import routes as signals

ROUTES = [
    Route("/search", search.search, "infer", method="POST"),
    Route("/alphas/generate", alphas.generate_alpha, "infer", method="POST"),
    Route("/alphas/trial", alphas.show_trial, "infer", method="GET"),
    Route("/update", update.update, "update", method="POST"),
    Route("/feedback", feedback.send_feedback, "infer", method="POST"),
    Route("/feedback", feedback.list_feedback, "admin", method="GET"),
    Route("/info", info.info, "infer", method="GET"),
    Route("/jobs", operations.list_jobs, "update", method="GET"),
    Route("/jobs/{job_id}", operations.show_job, "update", method="GET"),
    Route("/jobs/{job_id}/cancel", operations.cancel_job, "update", method="POST"),
    Route("/jobs/{job_id}/retry", operations.retry_job, "update", method="POST"),
    Route("/checkpoints", operations.list_checkpoints, "infer", method="GET"),
    Route("/checkpoints/{checkpoint_id}", operations.show_checkpoint, "infer", method="GET"),
    Route(
        "/checkpoints/{checkpoint_id}/evaluation",
        operations.show_evaluation,
        "update",
        method="GET",
    ),
    Route("/checkpoints/{checkpoint_id}/lineage", lineage.show_lineage, "update", method="GET"),
    Route("/import", exchange.import_checkpoint, "admin", method="POST"),
    Route("/rollback", pointer.rollback, "admin", method="POST"),
    Route("/promote", pointer.promote, "admin", method="POST"),
    Route("/pin", pointer.pin, "admin", method="POST"),
    Route("/unpin", pointer.unpin, "admin", method="POST"),
    Route("/canary", canary.show_canary, "infer", method="GET"),
    Route("/canary", canary.start_canary, "admin", method="POST"),
    Route("/canary", canary.stop_canary, "admin", method="DELETE"),
    Route("/training", training.show_training, "infer", method="GET"),
    Route("/training/pause", training.pause, "admin", method="POST"),
    Route("/training/resume", training.resume, "admin", method="POST"),
    Route("/signals/progress", signals.show_progress, "infer", method="GET"),
    Route("/signals/assets/{name}", signals.show_asset, OPEN, method="GET"),
    Route("/signals/runs", signals.list_runs, "infer", method="GET"),
    Route("/signals/runs", signals.start_run, "admin", method="POST"),
    Route("/signals/runs/{run_id}", signals.show_run, "infer", method="GET"),
    Route("/signals/runs/{run_id}/cancel", signals.cancel_run, "admin", method="POST"),
    Route("/signals/runs/{run_id}/{file}", signals.export_run, "infer", method="GET"),
    Route("/signals/knobs", signals.show_knobs, "infer", method="GET"),
    Route("/audit", audit.list_entries, "admin", method="GET"),
    Route("/audit/verify", audit.verify_log, "admin", method="GET"),
    Route("/openapi.json", openapi.show_openapi, "infer", method="GET"),
    Route("/v1/chat/completions", chat.create_chat, "infer", method="POST"),
    Route("/v1/completions", completions.create_completion, "infer", method="POST"),
    Route("/v1/models", models.list_models, "infer", method="GET"),
    Route("/v1/models/{model_id:path}", models.show_model, "infer", method="GET"),
    Route("/v1/load_lora_adapter", adapters.load_adapter, "admin", method="POST"),
    Route("/v1/unload_lora_adapter", adapters.unload_adapter, "admin", method="POST"),
    Route("/v1/files", uploads.create_file, "update", method="POST"),
    Route("/v1/files", uploads.list_files, "update", method="GET"),
    Route("/v1/files/{file_id}", uploads.show_file, "update", method="GET"),
    Route("/v1/files/{file_id}", uploads.delete_file, "update", method="DELETE"),
    Route("/v1/files/{file_id}/content", uploads.show_content, "update", method="GET"),
    Route("/v1/fine_tuning/jobs", fine_tuning.create_tuning, "update", method="POST"),
    Route("/v1/fine_tuning/jobs", fine_tuning.list_tunings, "update", method="GET"),
    Route("/v1/fine_tuning/jobs/{tuning_id}", fine_tuning.show_tuning, "update", method="GET"),
    Route(
        "/v1/fine_tuning/jobs/{tuning_id}/cancel",
        fine_tuning.cancel_tuning,
        "update",
        method="POST",
    ),
    Route(
        "/v1/fine_tuning/jobs/{tuning_id}/events",
        fine_tuning.list_tuning_events,
        "update",
        method="GET",
    ),
    Route(
        "/v1/fine_tuning/jobs/{tuning_id}/checkpoints",
        fine_tuning.list_tuning_checkpoints,
        "update",
        method="GET",
    ),
    Route("/metrics", metrics.metrics, "infer", method="GET"),
    Route("/health", operations.health, OPEN, method="GET"),
    Route("/ready", operations.ready, OPEN, method="GET"),
]


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
        Middleware(RequestLog, stats=stats),
        Middleware(OriginGuard, access=access),
    ]
    if access.cors_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=access.cors_origins,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["*"],
            )
        )
    app = Starlette(
        routes=ROUTES, middleware=middleware, exception_handlers=HANDLERS, lifespan=lifespan
    )
    app.state.services = services
    app.state.access = access
    app.state.http_stats = stats
    return app

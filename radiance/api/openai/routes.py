"""The table of the URLs that OpenAI's API has: who may ask each, what it takes and gives."""

from radiance.api.openai import (
    adapters,
    chat,
    completions,
    embeddings,
    fine_tuning,
    models,
    uploads,
)
from radiance.api.openai.responses.create import ResponsesBody, create_response
from radiance.api.openai.responses.shapes import ResponseEvent
from radiance.api.openai.shapes import ChatChunk, TextCompletion
from radiance.api.route import Route, Schema, delete, get, post


def _paged(default: int = 20, most: int = 1000) -> dict[str, Schema]:
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {"after": {"type": "string"}, "limit": limit}


ROUTES: list[Route] = [
    post("/v1/chat/completions", chat.create_chat, "infer", takes=chat.ChatBody, streams=ChatChunk),
    post(
        "/v1/completions",
        completions.create_completion,
        "infer",
        takes=completions.CompletionBody,
        streams=TextCompletion,
    ),
    post("/v1/responses", create_response, "infer", takes=ResponsesBody, streams=ResponseEvent),
    post("/v1/embeddings", embeddings.create_embeddings, "infer", takes=embeddings.EmbeddingsBody),
    get("/v1/models", models.list_models, "infer"),
    get("/v1/models/{model_id:path}", models.show_model, "infer"),
    post("/v1/load_lora_adapter", adapters.load_adapter, "admin", gives="text/plain"),
    post("/v1/unload_lora_adapter", adapters.unload_adapter, "admin", gives="text/plain"),
    post(
        "/v1/files",
        uploads.create_file,
        "update",
        takes=uploads.FileForm,
        takes_media="multipart/form-data",
    ),
    get(
        "/v1/files",
        uploads.list_files,
        "update",
        queries={
            **_paged(10000, 10000),
            "order": {"type": "string", "enum": ["asc", "desc"], "default": "desc"},
            "purpose": {"type": "string"},
        },
    ),
    get("/v1/files/{file_id}", uploads.show_file, "update"),
    delete("/v1/files/{file_id}", uploads.delete_file, "update"),
    get(
        "/v1/files/{file_id}/content",
        uploads.show_content,
        "update",
        gives="application/octet-stream",
    ),
    post("/v1/fine_tuning/jobs", fine_tuning.create_tuning, "update", takes=fine_tuning.TuningBody),
    get("/v1/fine_tuning/jobs", fine_tuning.list_tunings, "update", queries=_paged()),
    get("/v1/fine_tuning/jobs/{tuning_id}", fine_tuning.show_tuning, "update"),
    post(
        "/v1/fine_tuning/jobs/{tuning_id}/cancel", fine_tuning.cancel_tuning, "update", takes=None
    ),
    get(
        "/v1/fine_tuning/jobs/{tuning_id}/events",
        fine_tuning.list_tuning_events,
        "update",
        queries=_paged(),
    ),
    get(
        "/v1/fine_tuning/jobs/{tuning_id}/checkpoints",
        fine_tuning.list_tuning_checkpoints,
        "update",
        queries=_paged(),
    ),
]

"""Settings of what answers: the HTTP side, who may use it, the engine, the log."""

from typing import Annotated, Literal

from msgspec import Meta

from radiance.config.section import Section

Priority = Literal["background", "balanced", "eager"]
Shard = Literal["none", "tensor", "pipeline"]


class ServerSettings(Section, frozen=True):
    """The HTTP side."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(description="Port to listen on; 0 takes a free one.", ge=0, le=65535)
    ] = 8042
    max_body_bytes: Annotated[int, Meta(description="Largest request body, in bytes.", ge=1024)] = (
        8 * 1024 * 1024
    )
    max_file_bytes: Annotated[
        int, Meta(description="Largest file to fine-tune on, in bytes.", ge=1024)
    ] = 64 * 1024 * 1024
    max_waiting_requests: Annotated[
        int,
        Meta(description="Requests in flight or waiting before new ones get 429.", ge=1),
    ] = 1024
    safe_mode_deaths: Annotated[
        int,
        Meta(
            description="Deaths within a minute of the start, in a row, after which training is "
            "paused until resumed by hand; 0: never.",
            ge=0,
        ),
    ] = 3
    request_timeout_s: Annotated[
        float,
        Meta(description="Seconds after which a request without an answer is given up.", gt=0),
    ] = 600.0
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Names besides localhost by which clients may address the service; "
            '"*": any, which lets web pages reach it by DNS rebinding.'
        ),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description='Origins of web pages that may call the service, "https://chat.example"; '
            '"*": any.'
        ),
    ] = ()
    tls_cert: Annotated[
        str, Meta(description="Certificate chain (PEM), relative to the root; empty: plain HTTP.")
    ] = ""
    tls_key: Annotated[
        str, Meta(description="Its private key (PEM); empty: it stands in tls_cert.")
    ] = ""


class AccessSettings(Section, frozen=True):
    """Who may do what. A key's scopes are infer, update and admin, which has the others."""

    required: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="Whether requests need an API key. auto: unless the service listens on "
            "loopback only. never: something in front of it must check."
        ),
    ] = "auto"
    keys_file: Annotated[
        str,
        Meta(
            description="Hashes of the keys, relative to the root, written by `radiance keys new`; "
            "followed without a restart. RADIANCE_API_KEYS adds keys of its own."
        ),
    ] = "runs/api_keys"


class EngineSettings(Section, frozen=True):
    """The thread that owns MLX: decoding, and training pieces between decode steps."""

    decode_rows: Annotated[
        int, Meta(description="Requests decoded together in one batch.", ge=1, le=256)
    ] = 32
    prefill_tokens: Annotated[
        int,
        Meta(
            description="Prompt tokens processed between two decode steps.",
            ge=16,
            le=8192,
        ),
    ] = 512
    kv_cache_bytes: Annotated[
        int,
        Meta(
            description="Memory for keys and values of the requests being answered, in bytes; 0: a "
            "quarter of the machine's.",
            ge=0,
        ),
    ] = 0
    prompt_cache_bytes: Annotated[
        int,
        Meta(
            description="Memory for keys and values of earlier prompts, in bytes; 0 keeps none.",
            ge=0,
        ),
    ] = 512 * 1024 * 1024
    max_adapters: Annotated[
        int,
        Meta(description="Adapters kept in memory that no request uses now.", ge=0, le=1024),
    ] = 8
    shard: Annotated[
        Shard,
        Meta(
            description="Divide a base model that is too large for one machine among the processes "
            "of mlx.launch, with --distributed: tensor splits each layer, pipeline gives each some "
            "of the layers. Adapters serve; nothing is trained.",
        ),
    ] = "none"
    wedged_after_s: Annotated[
        float,
        Meta(
            description="Seconds without a token being delivered, once GET /ready says so, after "
            "which the process ends with code 1 for its supervisor to start anew. Requests in "
            "flight are failed within ten seconds of a hang.",
            gt=0,
        ),
    ] = 30.0


class LogSettings(Section, frozen=True):
    """What is written to stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severity written."),
    ] = "info"
    format: Annotated[
        Literal["auto", "human", "json"],
        Meta(description="auto: human on a terminal, JSON otherwise."),
    ] = "auto"

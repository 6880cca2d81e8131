"""Settings of what answers: the HTTP side, who may use it, the engine, the log."""

from typing import Annotated, Literal

from msgspec import Meta

from radiance.config.section import Section

Priority = Literal["background", "balanced", "eager"]
Shard = Literal["none", "tensor", "pipeline"]


class ServerSettings(Section, frozen=True):
    """The HTTP server."""

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
    max_files_bytes: Annotated[
        int, Meta(description="Most bytes of all files to fine-tune on together.", ge=1024)
    ] = 1024 * 1024 * 1024
    receive_timeout_s: Annotated[
        float,
        Meta(
            description="Seconds in which the headers of a request have to arrive, and its body "
            "unless it keeps coming; then it is closed (408).",
            gt=0,
        ),
    ] = 30.0
    max_connections: Annotated[
        int,
        Meta(description="Most connections at a time; further ones are closed (503).", ge=1),
    ] = 1000
    max_waiting_requests: Annotated[
        int,
        Meta(
            description="Most requests answered or waiting at a time; further ones get status 429.",
            ge=1,
        ),
    ] = 1024
    safe_mode_deaths: Annotated[
        int,
        Meta(
            description="Crashes in a row, each within a minute of the start, after which "
            "training stays paused until it is resumed by hand; 0: never.",
            ge=0,
        ),
    ] = 3
    request_timeout_s: Annotated[
        float,
        Meta(description="Seconds after which a request without an answer fails.", gt=0),
    ] = 600.0
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Host names, besides localhost, by which clients may address the service; "
            '"*" allows any, and lets web pages reach it by DNS rebinding.'
        ),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins of web pages that may call the service, as in "
            '"https://chat.example"; "*" allows any.'
        ),
    ] = ()
    tls_cert: Annotated[
        str,
        Meta(description="TLS certificate chain (PEM), relative to the root; empty: plain HTTP."),
    ] = ""
    tls_key: Annotated[
        str,
        Meta(
            description="Private key of the TLS certificate (PEM), relative to the root; empty: "
            "tls_cert holds it."
        ),
    ] = ""


class AccessSettings(Section, frozen=True):
    """API keys. A key's scopes are infer, update and admin, which includes the other two."""

    required: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="Whether requests need an API key. auto: only if other machines can reach "
            "the service. never: a proxy in front of the service must check."
        ),
    ] = "auto"
    keys_file: Annotated[
        str,
        Meta(
            description="File of the API keys' hashes, relative to the root, written by `radiance "
            "keys new`; changes take effect without a restart. The environment variable "
            "RADIANCE_API_KEYS adds further keys."
        ),
    ] = "runs/api_keys"


class EngineSettings(Section, frozen=True):
    """The engine: one thread decodes answers, and trains between decode steps."""

    decode_rows: Annotated[
        int, Meta(description="Most requests decoded together in one batch.", ge=1, le=256)
    ] = 32
    prefill_tokens: Annotated[
        int,
        Meta(
            description="Most prompt tokens processed between two decode steps.",
            ge=16,
            le=8192,
        ),
    ] = 512
    kv_cache_bytes: Annotated[
        int,
        Meta(
            description="Memory for the KV cache of the requests being answered, in bytes; 0: a "
            "quarter of the machine's memory.",
            ge=0,
        ),
    ] = 0
    prompt_cache_bytes: Annotated[
        Annotated[int, Meta(ge=0)] | Literal["auto"],
        Meta(
            description="Memory for the prefix cache, which keeps the KV cache of earlier "
            "prompts, in bytes; 0 turns it off; auto: a 32nd of the machine's memory, 512 MiB at "
            "most."
        ),
    ] = "auto"
    speculation: Annotated[
        bool,
        Meta(
            description="Whether tokens that can be guessed (from the prompt, what was taught and "
            "earlier answers) are computed several in one forward pass, where that is faster. No "
            "answer changes by it."
        ),
    ] = True
    max_adapters: Annotated[
        int,
        Meta(description="Most idle adapters kept in memory, for requests to come.", ge=0, le=1024),
    ] = 8
    shard: Annotated[
        Shard,
        Meta(
            description="How --distributed divides a base model too large for one machine among "
            "the processes of mlx.launch. tensor: splits each layer. pipeline: gives each process "
            "some of the layers. A divided model answers with adapters, but does not train.",
        ),
    ] = "none"
    wedged_after_s: Annotated[
        float,
        Meta(
            description="Seconds that the engine may hang, once GET /ready says so, before the "
            "process exits with code 1 for launchd or systemd to restart it. Requests in flight "
            "fail within ten seconds of a hang.",
            gt=0,
        ),
    ] = 30.0


class LogSettings(Section, frozen=True):
    """The log, written to stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severity that is written."),
    ] = "info"
    format: Annotated[
        Literal["auto", "human", "json"],
        Meta(
            description="Format of the log. human: for reading. json: one object a line. auto: "
            "human on a terminal, else json."
        ),
    ] = "auto"

"""The table of metrics: what each counts, and where it is read.

Nothing is counted here. Each line of the table reads one number off what the parts of the service
keep anyway, at the moment of the question; docs/METRICS.md is rendered from it. Counters begin anew
with the process, but for those read from the database, which says so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from radiance import __version__
from radiance.api.anchors import overwritten_in_service
from radiance.api.canary import running_canary
from radiance.api.request_log import HttpStats
from radiance.api.services import Services
from radiance.engine.stats import EngineStats
from radiance.telemetry import Histogram

Labelled = Mapping[tuple[str, ...], float] | Mapping[tuple[str, ...], Histogram]
Value = float | Histogram | Labelled
_VERDICTS = {"promote": "promoted", "commit": "withheld", "reject": "rejected"}


@dataclass(frozen=True)
class View:
    """What the parts of the service hold at the moment of a question."""

    http: HttpStats
    services: Services
    engine: EngineStats


@dataclass(frozen=True)
class Figure:
    """One metric.

    Attributes:
        name: With its unit, without Prometheus's suffixes ``_total`` and ``_bucket``.
        labels: Names of what it is divided by; "" divides nothing.
        meaning: A sentence.
        read: Its value, or values by their labels.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    read: Callable[[View], Value]

    @property
    def shown_name(self) -> str:
        """As queries name it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _counter(name: str, meaning: str, read: Callable[[View], Value], *labels: str) -> Figure:
    return Figure(f"radiance_{name}", "counter", labels, meaning, read)


def _gauge(name: str, meaning: str, read: Callable[[View], Value], *labels: str) -> Figure:
    return Figure(f"radiance_{name}", "gauge", labels, meaning, read)


def _histogram(name: str, meaning: str, read: Callable[[View], Value], *labels: str) -> Figure:
    return Figure(f"radiance_{name}", "histogram", labels, meaning, read)


# ----------------------------------------------------------------------------- the table

FIGURES = (
    _gauge(
        "info",
        "Constant 1; the labels say what runs.",
        lambda v: {
            (
                __version__,
                v.services.config.base_model,
                v.services.engine.device.backend,
                v.services.engine.source.checkpoint_id or "base",
            ): 1
        },
        *("version", "base_model", "backend", "checkpoint"),
    ),
    _gauge(
        "ready",
        "1 while the service is ready to answer, as GET /ready says, else 0.",
        lambda v: float(v.services.not_ready is None),
    ),
    _gauge(
        "uptime_seconds",
        "Seconds since the service was first ready.",
        lambda v: v.services.uptime_s,
    ),
    _counter(
        "http_requests",
        "HTTP requests by status; 499: the client closed the connection before the answer.",
        lambda v: dict(v.http.answered),
        *("method", "route", "status"),
    ),
    _histogram(
        "http_request_seconds",
        "Seconds from the arrival of an HTTP request to the last byte of its answer.",
        lambda v: {(route,): seconds for route, seconds in list(v.http.seconds.items())},
        "route",
    ),
    _gauge(
        "http_requests_in_flight", "HTTP requests being answered now.", lambda v: v.http.in_flight
    ),
    _counter(
        "generations",
        "Requests to the engine by how they ended: stop, length, or the error.",
        lambda v: {(how,): count for how, count in v.engine.ended.items()},
        "outcome",
    ),
    _counter(
        "prompt_tokens", "Prompt tokens of answered requests.", lambda v: v.engine.prompt_tokens
    ),
    _counter(
        "cached_prompt_tokens",
        "Prompt tokens taken from the prefix cache instead of being computed.",
        lambda v: v.engine.cached_tokens,
    ),
    _counter(
        "generated_tokens",
        "Generated tokens delivered to clients.",
        lambda v: v.engine.generated_tokens,
    ),
    _counter(
        "drafted_tokens",
        "Tokens that were guessed and checked in a forward pass (speculative decoding).",
        lambda v: v.engine.drafted_tokens,
    ),
    _counter(
        "accepted_tokens",
        "Drafted tokens that were right and so delivered (speculative decoding).",
        lambda v: v.engine.accepted_tokens,
    ),
    _histogram(
        "time_to_first_token_seconds",
        "Seconds from the submission of a request to its first token.",
        lambda v: v.engine.first_token_s,
    ),
    _histogram(
        "inter_token_seconds",
        "Seconds between two tokens of one answer.",
        lambda v: v.engine.inter_token_s,
    ),
    _histogram(
        "batch_rows",
        "Number of answers advanced by one decode step.",
        lambda v: v.engine.batch_rows,
    ),
    _gauge("rows_decoding", "Answers being generated now.", lambda v: v.engine.rows_decoding),
    _gauge(
        "rows_waiting",
        "Requests waiting for room in the batch: the depth of the engine's queue.",
        lambda v: v.engine.rows_waiting,
    ),
    _gauge(
        "kv_bytes_reserved",
        "Bytes of KV cache reserved for the answers being generated.",
        lambda v: v.engine.kv_bytes_reserved,
    ),
    _gauge(
        "kv_bytes_max",
        "Bytes of KV cache that may be reserved at most.",
        lambda v: v.engine.kv_bytes_max,
    ),
    _counter(
        "prompt_cache_hits",
        "Requests whose prompt began with a prefix in the prefix cache.",
        lambda v: v.engine.prompt_cache_hits,
    ),
    _counter(
        "prompt_cache_misses",
        "Requests whose prompt began with no prefix in the prefix cache.",
        lambda v: v.engine.prompt_cache_misses,
    ),
    _gauge(
        "prompt_cache_bytes",
        "Bytes that the prefix cache holds.",
        lambda v: v.engine.prompt_cache_bytes,
    ),
    _gauge(
        "prompt_cache_entries",
        "Prefixes that the prefix cache holds.",
        lambda v: v.engine.prompt_cache_entries,
    ),
    _gauge(
        "array_bytes",
        "Bytes of MLX's arrays: the base model, adapters, caches, what is being computed.",
        lambda v: v.engine.array_bytes,
    ),
    _gauge("adapter_slots", "Adapters held in memory.", lambda v: v.engine.slots),
    _gauge(
        "adapter_slots_in_use",
        "Adapters in memory that serve or that answers being generated use.",
        lambda v: v.engine.slots_in_use,
    ),
    _counter("swaps", "Changes of the weights that serve.", lambda v: v.engine.swaps),
    _counter(
        "training_pieces",
        "Pieces of training and other long work run between decode steps.",
        lambda v: v.engine.training_pieces,
    ),
    _counter(
        "training_seconds",
        "Seconds spent in pieces of training and other long work.",
        lambda v: v.engine.training_seconds,
    ),
    _counter(
        "training_tokens",
        "Tokens trained on, without padding; their rate() is training tokens per second.",
        lambda v: v.services.pipeline.stats.tokens,
    ),
    _counter(
        "training_steps",
        "Optimizer steps taken in training.",
        lambda v: v.services.pipeline.stats.steps,
    ),
    _gauge(
        "training_state",
        "1 for the present state of training: idle, running or paused; else 0.",
        lambda v: {
            (state,): float(state == v.engine.training_state)
            for state in ("idle", "running", "paused")
        },
        "state",
    ),
    _gauge(
        "jobs",
        "Jobs by status; from the database.",
        lambda v: {(status,): count for status, count in v.services.jobs.counts().items()},
        "status",
    ),
    _gauge(
        "waiting_examples",
        "Examples accepted but not trained yet; from the database.",
        lambda v: v.services.jobs.waiting_examples(),
    ),
    _gauge(
        "memory_keys",
        "Wordings by which accepted examples are found.",
        lambda v: v.services.memory.size,
    ),
    _counter(
        "memory_answers",
        "Answers in which memory had a part: stored (an example's answer, word for word), taught "
        "(the model asked in the words of an example), reminded (the model, told what was found), "
        "unclear (asked back), passage (what a document says), base (the base model: the question "
        "is about nothing that was taught).",
        lambda v: {
            (how,): v.services.memory.stats.answered[how]
            for how in ("stored", "taught", "reminded", "unclear", "passage", "base")
        },
        "how",
    ),
    _histogram(
        "memory_look_up_seconds",
        "Seconds that it took to look a question up among the accepted examples.",
        lambda v: v.services.memory.stats.seconds,
    ),
    _gauge(
        "forget_requests",
        "Requests to forget by status: erasing (files and free pages), relearning (what else was "
        "taught since), done.",
        lambda v: {(status,): n for status, n in v.services.forgetting.requests.counts().items()},
        "status",
    ),
    _gauge(
        "overwritten_anchors",
        "Anchors that what serves answers otherwise than the base because something learned says "
        "otherwise, by whether a person accepted that.",
        lambda v: _overwritten(v.services),
        "accepted",
    ),
    _gauge(
        "bleeding_ratio",
        "Share of questions about names that were never taught that what serves answered with a "
        "taught value when it was measured; 0 while nothing was.",
        lambda v: _bleeding(v.services),
    ),
    _counter(
        "gate_decisions",
        "Candidate checkpoints that the gate promoted, withheld under a pin, or rejected; from "
        "the database.",
        lambda v: _decisions(v.services.registry.audit.counts()),
        "verdict",
    ),
    _counter(
        "pointer_moves",
        "Rollbacks, promotions, pins and unpins, by hand or by a monitor; from the database.",
        lambda v: _moves(v.services.registry.audit.counts()),
        "action",
    ),
    _gauge(
        "canary_answers",
        "Answers of each arm of the running canary or shadow; 0 without one; from the database.",
        lambda v: _arms(v, "answers"),
        "arm",
    ),
    _gauge(
        "canary_failures",
        "Failed requests of each arm of the running canary or shadow; from the database.",
        lambda v: _arms(v, "failures"),
        "arm",
    ),
    _gauge(
        "canary_dropped",
        "Answers not shadowed or scored because the engine was busy; from the database.",
        lambda v: _dropped(v),
    ),
    _counter(
        "votes",
        "Votes on answers, up and down; from the database.",
        lambda v: {(name,): getattr(v.services.feedback.total(), name) for name in ("up", "down")},
        "vote",
    ),
)


def _bleeding(services: Services) -> float:
    current = services.registry.current()
    return (current.report.bleeding or 0.0) if current else 0.0


def _overwritten(services: Services) -> Labelled:
    found = overwritten_in_service(services)
    accepted = found.count - found.not_accepted
    return {("no",): found.not_accepted, ("yes",): accepted}


def _decisions(entries: Mapping[str, int]) -> Labelled:
    return {(verdict,): entries.get(action, 0) for action, verdict in _VERDICTS.items()}


def _moves(entries: Mapping[str, int]) -> Labelled:
    actions = ("rollback", "promote_by_hand", "pin", "unpin")
    return {(action,): entries.get(action, 0) for action in actions}


def _arms(view: View, name: str) -> Labelled:
    running = running_canary(view.services)
    return {
        (arm,): 0.0 if running is None else getattr(getattr(running.arms, arm), name)
        for arm in ("champion", "candidate")
    }


def _dropped(view: View) -> float:
    running = running_canary(view.services)
    return 0.0 if running is None else running.dropped


def render_table() -> str:
    """The table of docs/METRICS.md."""
    rows = ["| Metric | Kind | Labels | Meaning |", "|---|---|---|---|"]
    for figure in FIGURES:
        labels = ", ".join(f"`{label}`" for label in figure.labels)
        rows.append(f"| `{figure.shown_name}` | {figure.kind} | {labels} | {figure.meaning} |")
    return "\n".join(rows)


def names() -> Iterable[str]:
    """As queries name them."""
    return (figure.shown_name for figure in FIGURES)

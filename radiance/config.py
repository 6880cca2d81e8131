"""radiance.toml and the environment, read once, into one frozen ``Config``.

This is the only module that reads either. Every key stands here once, with its default, its
allowed range and its description; ``radiance.toml`` at the top of the repository is rendered from
them (``render_default``), and a test keeps the two the same.
"""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import tomli
from msgspec import Meta

from radiance import schema
from radiance.errors import ConfigError

FILE_NAME = "radiance.toml"
Backend = Literal["auto", "metal", "mps", "cuda", "cpu"]
UpdateMode = Literal["immediate", "batched"]
Priority = Literal["background", "balanced", "eager"]

_DAY = "(mon|tue|wed|thu|fri|sat|sun)"
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_DAYS = rf"{_DAY}(-{_DAY})?"
QUIET_HOURS = rf"^({_DAYS}(,{_DAYS})* )?{_TIME}-{_TIME}$"
"""Days, and from when to when: "mon-fri 09:00-18:00"."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Server(_Section, frozen=True):
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


class Access(_Section, frozen=True):
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


class Engine(_Section, frozen=True):
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
    wedged_after_s: Annotated[
        float,
        Meta(
            description="Seconds without a token being delivered, once GET /ready says so, after "
            "which the process ends with code 1 for its supervisor to start anew.",
            gt=0,
        ),
    ] = 30.0


class Update(_Section, frozen=True):
    """When accepted examples are trained."""

    mode: Annotated[
        UpdateMode,
        Meta(description="immediate: each update trains. batched: see the two keys below."),
    ] = "immediate"
    max_examples: Annotated[
        int, Meta(description="batched: train as soon as so many examples wait.", ge=1)
    ] = 128
    max_age_minutes: Annotated[
        float,
        Meta(
            description="batched: train when the oldest has waited so long, in minutes.",
            ge=0,
        ),
    ] = 30.0
    max_examples_per_update: Annotated[
        int, Meta(description="Most examples in one POST /update.", ge=1)
    ] = 1000


class Training(_Section, frozen=True):
    """LoRA and its optimizer. max_steps counts optimizer steps."""

    r: Annotated[int, Meta(description="LoRA rank.", ge=1, le=512)] = 8
    alpha: Annotated[
        float, Meta(description="LoRA alpha; the adapter is scaled by alpha / r.", gt=0)
    ] = 16.0
    dropout: Annotated[float, Meta(description="LoRA dropout ratio.", ge=0, lt=1)] = 0.0
    target_modules: Annotated[
        tuple[str, ...],
        Meta(description='Linear layers that get LoRA, by last name; ["all-linear"]: every one.'),
    ] = ("all-linear",)
    batch_size: Annotated[int, Meta(description="New examples per micro-batch.", ge=1, le=1024)] = 8
    grad_accum: Annotated[
        int, Meta(description="Micro-batches per optimizer step.", ge=1, le=1024)
    ] = 1
    lr: Annotated[float, Meta(description="Peak learning rate of AdamW.", gt=0, le=1)] = 1.5e-3
    weight_decay: Annotated[
        float, Meta(description="Decoupled weight decay of AdamW.", ge=0, le=1)
    ] = 0.0
    warmup_steps: Annotated[
        int, Meta(description="Optimizer steps until the peak learning rate.", ge=0)
    ] = 5
    max_grad_norm: Annotated[
        float, Meta(description="Gradients are clipped to this norm.", gt=0)
    ] = 1.0
    max_steps: Annotated[int, Meta(description="Most optimizer steps of one cycle.", ge=1)] = 400
    eval_every: Annotated[
        int, Meta(description="Optimizer steps between two evaluations.", ge=1)
    ] = 10
    stop_loss: Annotated[
        float,
        Meta(
            description="Cool down once new and replayed examples are below this loss; 0: never.",
            ge=0,
        ),
    ] = 0.05
    cooldown_steps: Annotated[
        int,
        Meta(description="Last optimizer steps, in which the learning rate falls to zero.", ge=0),
    ] = 30
    max_loss: Annotated[
        float,
        Meta(description="A training loss above this fails the cycle as diverged.", gt=0),
    ] = 50.0
    replay_ratio: Annotated[
        float,
        Meta(
            description="Replayed earlier examples per new example in a micro-batch.",
            ge=0,
            le=8,
        ),
    ] = 0.5
    replay_examples: Annotated[
        int, Meta(description="Most earlier examples mixed into one cycle.", ge=0)
    ] = 256
    reworded_ratio: Annotated[
        float,
        Meta(
            description="Share of the rows that ask in fewer words, so that other words are known.",
            ge=0,
            le=1,
        ),
    ] = 0.5
    seed: Annotated[
        int,
        Meta(description="Seed of initialisation, order and dropout.", ge=0, lt=2**32),
    ] = 0
    priority: Annotated[
        Priority,
        Meta(
            description="Training's share of the time while requests are answered, about: "
            "background, 15 %; balanced, 60 %; eager, 85 %. Otherwise it has all."
        ),
    ] = "background"
    when: Annotated[
        tuple[Literal["ac_power", "cool", "memory"], ...],
        Meta(
            description="What training waits for; ac_power: not on battery. cool: the machine "
            "does not slow itself for heat. memory: the system is not short of it."
        ),
    ] = ("cool", "memory")
    quiet_hours: Annotated[
        tuple[
            Annotated[
                str, Meta(pattern=QUIET_HOURS, examples=["09:00-18:00", "mon-fri 09:00-18:00"])
            ],
            ...,
        ],
        Meta(
            description="Local hours in which nothing is trained, as in "
            '["09:00-18:00"] or ["mon-fri 09:00-18:00", "sat,sun 22:00-02:00"].'
        ),
    ] = ()
    snapshot_seconds: Annotated[
        float,
        Meta(
            description="Seconds between saved training states, whence a killed cycle resumes.",
            gt=0,
        ),
    ] = 2.0
    max_deaths: Annotated[
        int,
        Meta(
            description="A job is quarantined after the process died so often of itself under it.",
            ge=1,
        ),
    ] = 2
    max_interruptions: Annotated[
        int,
        Meta(
            description="The same for kills from outside in a row without any progress.",
            ge=1,
        ),
    ] = 25

    def recipe(self) -> "Training":
        """These settings without those that say when to train: what shapes an adapter."""
        return msgspec.structs.replace(self, priority="background", when=(), quiet_hours=())


class Anchor(_Section, frozen=True):
    """What holds old behaviour while new examples are learned."""

    method: Annotated[
        Literal["naive", "anchor", "anchor+projection"],
        Meta(
            description="naive: nothing. anchor: stay close to the reference on anchors. "
            "anchor+projection: and drop what would move against them from every step."
        ),
    ] = "anchor+projection"
    reference: Annotated[
        Literal["deployed", "base"],
        Meta(
            description="Whose outputs are held: the base's, so that nothing adds up over many "
            "updates, or the deployed checkpoint's."
        ),
    ] = "base"
    weight: Annotated[
        float, Meta(description="Weight of the anchor term; its first value with a budget.", ge=0)
    ] = 3.0
    budget: Annotated[
        float,
        Meta(
            description="KL to the reference allowed on anchors, in nats per token; 0: weight is "
            "fixed, else it follows by dual ascent.",
            ge=0,
        ),
    ] = 0.0
    batch_size: Annotated[
        int, Meta(description="Anchors and own samples per anchor gradient.", ge=1, le=1024)
    ] = 8
    every: Annotated[
        int, Meta(description="Optimizer steps between two anchor gradients.", ge=1, le=64)
    ] = 1
    own_samples: Annotated[
        int,
        Meta(
            description="Texts the reference model writes itself, to hold what no anchor lists.",
            ge=0,
        ),
    ] = 768
    top_k: Annotated[
        int, Meta(description="Log-probabilities cached per reference token.", ge=1, le=1024)
    ] = 32
    constraints: Annotated[
        Literal["average", "contexts"],
        Meta(description="One constraint on the average, or one per context (GEM)."),
    ] = "average"
    project: Annotated[
        Literal["update", "gradient"],
        Meta(description="What is projected: the step after AdamW, or the gradient before."),
    ] = "update"
    replay_logits: Annotated[
        float,
        Meta(description="Weight of the replayed examples' own earlier outputs (DER++).", ge=0),
    ] = 0.0
    null_space: Annotated[
        bool,
        Meta(
            description="Keep steps out of the span of each layer's inputs from anchors and own "
            "samples (GPM); nothing with naive."
        ),
    ] = False
    null_space_energy: Annotated[
        float,
        Meta(description="Share of those inputs' energy that is kept out of.", gt=0, lt=1),
    ] = 0.95


class Evaluation(_Section, frozen=True):
    """What every checkpoint is measured on, before it can serve."""

    anchor_provider: Annotated[
        Literal["auto", "hf", "local", "none"],
        Meta(
            description="auto: Ember's own list for ember, else hf. hf: anchor_dataset. "
            "local: anchor_path. none: no others than those you added under anchors/; without any, "
            "forgetting is not measured."
        ),
    ] = "auto"
    anchor_dataset: Annotated[
        str, Meta(description="Hugging Face dataset of anchors, or a folder in its shape; for hf.")
    ] = "tnn1t1s/news-100-sept-2023"
    anchor_split: Annotated[str, Meta(description="Split of the dataset; for hf.")] = "train"
    anchor_text_field: Annotated[
        str, Meta(description="Field of the text; empty: found by itself.")
    ] = ""
    anchor_path: Annotated[
        str,
        Meta(
            description="JSONL, CSV or Parquet file or folder of texts, relative to the root; "
            "for local."
        ),
    ] = ""
    anchor_sample: Annotated[
        int,
        Meta(description="Anchors measured per checkpoint, spread over the set.", ge=1),
    ] = 100
    recall_examples: Annotated[
        int, Meta(description="Most earlier examples whose recall is measured.", ge=0)
    ] = 100
    holdout_ratio: Annotated[
        float,
        Meta(
            description="Share of a cycle's examples held back for eval_loss (from 10 on).",
            ge=0,
            lt=1,
        ),
    ] = 0.0


class Gate(_Section, frozen=True):
    """Whether a candidate may serve. strict promotes only what passes every rule."""

    gate: Annotated[
        Literal["off", "strict"],
        Meta(description="strict: a candidate that fails any rule is rejected."),
    ] = "off"
    rollback_mode: Annotated[
        Literal["off", "warn", "auto_rollback"],
        Meta(
            description="Catastrophic forgetting is: off, logged; warn, marked risky and served; "
            "auto_rollback, refused."
        ),
    ] = "warn"
    catastrophic_delta: Annotated[
        float,
        Meta(
            description="Rise of forgetting_loss over the incumbent's that is catastrophic, in "
            "nats per token.",
            gt=0,
        ),
    ] = 0.03
    confidence: Annotated[
        float, Meta(description="Of the one-sided bounds the rules use.", gt=0.5, lt=1)
    ] = 0.95
    min_new_exact: Annotated[
        float,
        Meta(description="strict: least share of new examples answered exactly.", ge=0, le=1),
    ] = 0.5
    min_new_gain: Annotated[
        float,
        Meta(
            description="strict: mean fall of the loss of new examples that were not known, in "
            "nats per token, that must be exceeded.",
            ge=0,
        ),
    ] = 0.0
    max_anchor_mean: Annotated[
        float,
        Meta(description="strict: most mean rise of the anchors' loss, in nats per token.", gt=0),
    ] = 0.03
    max_anchor_cvar: Annotated[
        float,
        Meta(description="strict: most mean rise among the worst anchors (cvar_share).", gt=0),
    ] = 0.3
    cvar_share: Annotated[
        float, Meta(description="Share of the anchors that are the worst.", gt=0, le=1)
    ] = 0.1
    max_anchor_broken: Annotated[
        float,
        Meta(
            description="strict: most of the anchors answered exactly before that no longer are; "
            "a ratio.",
            gt=0,
            lt=1,
        ),
    ] = 0.12
    max_context_mean: Annotated[
        float,
        Meta(description="strict: most mean rise of any one context's loss, in nats.", gt=0),
    ] = 0.2
    context_anchors: Annotated[
        int, Meta(description="Fewest anchors measured of a context that is judged.", ge=2)
    ] = 3
    min_recall: Annotated[
        float,
        Meta(
            description="strict: least share of earlier examples the parent answered exactly that "
            "still are.",
            ge=0,
            le=1,
        ),
    ] = 0.9
    max_drift: Annotated[
        float,
        Meta(description="strict: most drift_loss against the parent, in nats per token.", gt=0),
    ] = 0.1
    max_cumulative: Annotated[
        float,
        Meta(
            description="strict: most rise of forgetting_loss over the base's, of all updates "
            "together, in nats per token.",
            gt=0,
        ),
    ] = 0.5
    scale_back: Annotated[
        bool,
        Meta(
            description="Shrink a candidate that learned but hurts towards its parent, to the "
            "largest step that passes."
        ),
    ] = False


class Monitor(_Section, frozen=True):
    """What is watched after a promotion, and may roll it back."""

    action: Annotated[
        Literal["off", "warn", "rollback"],
        Meta(description="What a signal over its limit does; off: nothing is watched."),
    ] = "warn"
    probe_minutes: Annotated[
        float, Meta(description="Minutes between two probes of the anchors; 0: never.", ge=0)
    ] = 60.0
    probe_anchors: Annotated[int, Meta(description="Anchors asked per probe.", ge=1)] = 16
    max_probe_loss: Annotated[
        float,
        Meta(description="Rise of the probed anchors' loss since promotion, in nats.", gt=0),
    ] = 0.2
    min_answers: Annotated[
        int,
        Meta(description="Fewest answers or votes before a ratio counts.", ge=1),
    ] = 20
    max_thumbs_down: Annotated[
        float, Meta(description="Ratio of thumbs-down among the votes.", gt=0, le=1)
    ] = 0.5
    max_errors: Annotated[
        float, Meta(description="Ratio of requests that failed in the engine.", gt=0, le=1)
    ] = 0.1
    max_output_drift: Annotated[
        float,
        Meta(
            description="Rise, over the checkpoint before, of the ratio of answers cut off at "
            "max_tokens, and of those that repeat themselves.",
            gt=0,
            le=1,
        ),
    ] = 0.3


class Upstream(_Section, frozen=True):
    """One model elsewhere that the fallback chain may ask."""

    name: Annotated[str, Meta(min_length=1)]
    kind: Literal["openai", "anthropic"]
    url: Annotated[str, Meta(min_length=1)]
    model: Annotated[str, Meta(min_length=1)]
    key_env: str = ""
    cost: Annotated[float, Meta(ge=0)] = 0.0
    timeout_s: Annotated[float, Meta(gt=0)] = 30.0


class Chain(_Section, frozen=True):
    """Who answers when the local model cannot. Without upstreams nothing leaves the machine."""

    upstreams: Annotated[
        tuple[Upstream, ...],
        Meta(
            description='Tables {name, kind = "openai" or "anthropic", url, model, key_env, cost, '
            "timeout_s}: models that may be asked, with the environment variable of their key."
        ),
    ] = ()
    order: Annotated[
        Literal["listed", "cost", "health"],
        Meta(description="In which order upstreams are asked: cheapest or healthiest first."),
    ] = "listed"
    local: Annotated[
        Literal["first", "last"], Meta(description="When the local model is asked.")
    ] = "first"
    deadline_s: Annotated[
        float, Meta(description="Seconds for all attempts at one answer together.", gt=0)
    ] = 30.0
    breaker_failures: Annotated[
        int, Meta(description="Failures in a row after which an upstream is left alone.", ge=1)
    ] = 3
    breaker_seconds: Annotated[
        float, Meta(description="How long that lasts, in seconds.", gt=0)
    ] = 30.0


class Alphas(_Section, frozen=True):
    """The alpha desk: POST /alphas/generate."""

    data: Annotated[
        str,
        Meta(
            description="Daily bars to backtest on, Parquet or CSV, relative to the root; empty: "
            "made-up ones."
        ),
    ] = ""
    groups: Annotated[
        str, Meta(description="CSV of symbol, sector, industry, subindustry; relative to the root.")
    ] = ""
    challenger: Annotated[
        str, Meta(description="Checkpoint that answers a share of the prompts, on trial; or none.")
    ] = ""
    challenger_share: Annotated[float, Meta(description="That share of the users.", gt=0, lt=1)] = (
        0.5
    )
    trial_error: Annotated[
        float,
        Meta(description="Chance that equals are told apart, however often one looks.", gt=0, lt=1),
    ] = 0.05


class Log(_Section, frozen=True):
    """What is written to stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severity written."),
    ] = "info"
    format: Annotated[
        Literal["auto", "human", "json"],
        Meta(description="auto: human on a terminal, JSON otherwise."),
    ] = "auto"


class Config(_Section, frozen=True):
    """All settings. ``root`` is where adapters/, anchors/ and runs/ live; it comes from a flag."""

    base_model: Annotated[
        str, Meta(description='"ember", a local directory, or a Hugging Face Hub id.')
    ] = "ember"
    backend: Annotated[Backend, Meta(description="Device MLX computes on; mps means metal.")] = (
        "auto"
    )
    server: Server = Server()
    access: Access = Access()
    engine: Engine = Engine()
    update: Update = Update()
    training: Training = Training()
    anchor: Anchor = Anchor()
    evaluation: Evaluation = Evaluation()
    gate: Gate = Gate()
    monitor: Monitor = Monitor()
    chain: Chain = Chain()
    alphas: Alphas = Alphas()
    log: Log = Log()
    root: Path = Path()

    @property
    def adapters_path(self) -> Path:
        return self.root / "adapters"

    @property
    def anchors_path(self) -> Path:
        return self.root / "anchors"

    @property
    def runs_path(self) -> Path:
        return self.root / "runs"

    @property
    def keys_path(self) -> Path:
        return self.root / self.access.keys_file

    @property
    def database_path(self) -> Path:
        return self.runs_path / "radiance.db"


def load(root: Path, overrides: dict[str, Any] | None = None, file: Path | None = None) -> Config:
    """Read the configuration of a root.

    Args:
        root: Directory that holds adapters/, anchors/, runs/ and, perhaps, radiance.toml.
        overrides: Values from flags by dotted name, ``{"server.port": 0}``; None values are passed
            over. They win over the file.
        file: The file to read instead of ``root/radiance.toml``; it must exist.

    Raises:
        ConfigError: The file cannot be read, or a key is unknown or out of range.
    """
    path = file or root / FILE_NAME
    data: dict[str, Any] = {}
    if file is not None or path.exists():
        data = _read(path)
    if "root" in data:
        raise ConfigError(f"{path}: root: is not a setting of the file. Use the flag --root.")
    origin = {}
    for name, value in (overrides or {}).items():
        if value is None:
            continue
        origin[name] = value
        *sections, key = name.split(".")
        table = data
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise ConfigError(
                    f"{path}: {section} (is {schema.show(table)}) is not a section. "
                    f"Write [{section}] and its keys below it."
                )
        table[key] = value
    try:
        config = schema.check(data, Config)
    except schema.Problem as problem:
        where = "command line" if problem.field in origin else str(path)
        shown = "" if problem.value is None else f" (is {schema.show(problem.value)})"
        raise ConfigError(
            f"{where}: {problem.field}{shown} {problem.reason}. {problem.remedy}"
        ) from None
    return msgspec.structs.replace(config, root=root.resolve())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address, or "localhost"."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret(name: str) -> str:
    """A key from the environment, "" where it is not set; never write it anywhere."""
    return os.environ.get(name, "")


def client_url() -> str:
    """The service that client commands talk to: RADIANCE_URL, or the default address."""
    return os.environ.get("RADIANCE_URL") or "http://127.0.0.1:8042"


def client_key() -> str | None:
    """The API key that client commands send: RADIANCE_API_KEY."""
    return os.environ.get("RADIANCE_API_KEY") or None


def service_keys() -> str:
    """Keys that the service accepts beside those of its file: RADIANCE_API_KEYS; see keys.py."""
    return os.environ.get("RADIANCE_API_KEYS") or ""


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML ({error}).") from None


def render_default() -> str:
    """The text of radiance.toml: every key at its default, with unit, range and description."""
    lines = [
        "# Radiance's settings. Every key stands at its default; delete what you do not change.",
        "# Flags of `radiance run` win over this file.",
        "",
    ]
    sections = []
    for field in msgspec.structs.fields(Config):
        if field.name == "root":
            continue
        if isinstance(field.default, _Section):
            sections.append((field.name, type(field.default)))
        else:
            lines += [*_comment(field), f"{field.name} = {_toml(field.default)}", ""]
    for name, section in sections:
        lines += [f"# {section.__doc__}", f"[{name}]"]
        for field in msgspec.structs.fields(section):
            lines += [*_comment(field), f"{field.name} = {_toml(field.default)}"]
        lines.append("")
    return "\n".join(lines)


def _comment(field: msgspec.structs.FieldInfo) -> list[str]:
    kind, meta = get_args(field.type)
    limits = [
        f"{sign} {limit:g}" if isinstance(limit, float) else f"{sign} {limit}"
        for sign, limit in (
            (">=", meta.ge),
            (">", meta.gt),
            ("<=", meta.le),
            ("<", meta.lt),
        )
        if limit is not None
    ]
    if get_origin(kind) is Literal:
        limits = ["one of " + ", ".join(f'"{choice}"' for choice in get_args(kind))]
    return [f"# {meta.description}" + (f" ({', '.join(limits)})" if limits else "")]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)

"""Settings of what learns: when and how, held to what, measured, judged and watched by what."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from radiance.config.section import Section
from radiance.config.serving_settings import Priority

UpdateMode = Literal["immediate", "batched"]

_DAY = "(mon|tue|wed|thu|fri|sat|sun)"
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_DAYS = rf"{_DAY}(-{_DAY})?"
QUIET_HOURS = rf"^({_DAYS}(,{_DAYS})* )?{_TIME}-{_TIME}$"
"""Days, and from when to when: "mon-fri 09:00-18:00"."""


class UpdateSettings(Section, frozen=True):
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


class TrainingSettings(Section, frozen=True):
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
            description="Cool down once new and replayed examples are below this loss; 0: never. "
            "At most 1000 and 64 of them are looked at.",
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

    def recipe(self) -> "TrainingSettings":
        """These settings without those that say when to train: what shapes an adapter."""
        return msgspec.structs.replace(self, priority="background", when=(), quiet_hours=())


class AnchorSettings(Section, frozen=True):
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


class EvaluationSettings(Section, frozen=True):
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
    learned_examples: Annotated[
        int,
        Meta(description="Most new examples measured per checkpoint, spread over them.", ge=1),
    ] = 1000
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


class GateSettings(Section, frozen=True):
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


class MonitorSettings(Section, frozen=True):
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

"""Settings of learning: when and how to train, and how to protect against forgetting."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from radiance.config.section import Section
from radiance.config.serving_settings import Priority

Auto = Literal["auto"]
"""A number that follows from the base model; see ``derived``."""
UpdateMode = Literal["immediate", "batched"]
SupersedeRule = Literal["any", "own", "ask"]

_DAY = "(mon|tue|wed|thu|fri|sat|sun)"
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_DAYS = rf"{_DAY}(-{_DAY})?"
QUIET_HOURS = rf"^({_DAYS}(,{_DAYS})* )?{_TIME}-{_TIME}$"
"""Days, and from when to when: "mon-fri 09:00-18:00"."""


class UpdateSettings(Section, frozen=True):
    """When accepted examples are trained."""

    mode: Annotated[
        UpdateMode,
        Meta(
            description="When training starts. immediate: with each update. batched: at "
            "max_examples or max_age_minutes, whichever comes first."
        ),
    ] = "immediate"
    max_examples: Annotated[
        int, Meta(description="Waiting examples at which a batch trains, with mode batched.", ge=1)
    ] = 128
    max_age_minutes: Annotated[
        float,
        Meta(
            description="Minutes that the oldest example waits before its batch trains, with mode "
            "batched.",
            ge=0,
        ),
    ] = 30.0
    max_examples_per_update: Annotated[
        int, Meta(description="Most examples in one POST /update.", ge=1)
    ] = 1000
    max_waiting_jobs: Annotated[
        int, Meta(description="Most updates that wait; further ones get status 429.", ge=1)
    ] = 10_000
    max_examples_per_tag_per_day: Annotated[
        int,
        Meta(
            description="Most examples of one tag in 24 hours; further ones get status 429. 0: no "
            "limit.",
            ge=0,
        ),
    ] = 0
    max_examples_per_key_per_day: Annotated[
        int,
        Meta(
            description="Most examples sent with one API key in 24 hours; further ones get status "
            "429. 0: no limit.",
            ge=0,
        ),
    ] = 0
    supersede: Annotated[
        SupersedeRule,
        Meta(
            description="Answers that an update may replace by others. any: those of every key. "
            "own: those of its own API key; keys of scope admin, and requests where no key is "
            'needed, replace all. ask: all where the update says "supersede": true. With gate '
            "strict, anchors are replaced by an update that says so alone, and with own only by "
            "one that may replace all."
        ),
    ] = "any"
    review: Annotated[
        Literal["off", "before", "after"],
        Meta(
            description="Review of questions that the base model makes from documents, while "
            "nothing else is to be done. before: they wait until a person has them taught or "
            "refuses them. after: they are taught, and shown. off: none are made. A base that "
            "cannot (Ember) makes none."
        ),
    ] = "before"


class TrainingSettings(Section, frozen=True):
    """Training: the LoRA adapter, its optimizer, replay, and when to train."""

    r: Annotated[
        Annotated[int, Meta(ge=1, le=512)] | Auto,
        Meta(
            description="Rank of the LoRA matrices; auto: 8, and 32 for base models that "
            "anchor.null_space is on for, of which an update takes 2 for each example."
        ),
    ] = "auto"
    alpha: Annotated[
        Annotated[float, Meta(gt=0)] | Auto,
        Meta(description="LoRA alpha: the adapter's output is scaled by alpha / r; auto: twice r."),
    ] = "auto"
    dropout: Annotated[float, Meta(description="Dropout ratio of the LoRA input.", ge=0, lt=1)] = (
        0.0
    )
    target_modules: Annotated[
        tuple[str, ...],
        Meta(
            description="Linear layers that get LoRA, by the last part of their names, as in "
            '"q_proj"; ["all-linear"]: every one.'
        ),
    ] = ("all-linear",)
    batch_size: Annotated[
        int,
        Meta(
            description="New examples per micro-batch; by gauss_newton every new example, up to 32 "
            "that fit the memory.",
            ge=1,
            le=1024,
        ),
    ] = 8
    grad_accum: Annotated[
        int, Meta(description="Micro-batches per optimizer step.", ge=1, le=1024)
    ] = 1
    optimizer: Annotated[
        Literal["auto", "adamw", "gauss_newton"],
        Meta(
            description="How a step follows from gradients. adamw; gauss_newton: the shortest step "
            "that takes each example's loss down, as held texts feel it, a quarter of the steps; "
            "it needs anchor.null_space, and no dropout, grad_accum, anchor.replay_logits or "
            "further ranks. auto: gauss_newton where that is so, for up to 32 new facts, else "
            "adamw."
        ),
    ] = "auto"
    lr: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | Auto,
        Meta(
            description="Peak learning rate of AdamW; auto: by the base model's width, 0.0015 for "
            "Ember; from 512 wide on at most 0.0002 where an update teaches a task."
        ),
    ] = "auto"
    lr_ratio: Annotated[
        Annotated[float, Meta(gt=0, le=64)] | Auto,
        Meta(
            description="Learning rate of B as a multiple of that of A, as in LoRA+; auto: 2 in a "
            "first update over the base model with anchor.null_space, else 1."
        ),
    ] = "auto"
    weight_decay: Annotated[
        float, Meta(description="Decoupled weight decay of AdamW.", ge=0, le=1)
    ] = 0.0
    warmup_steps: Annotated[
        int, Meta(description="Optimizer steps in which the learning rate rises to its peak.", ge=0)
    ] = 5
    max_grad_norm: Annotated[
        float, Meta(description="Largest norm of a gradient; longer ones are clipped to it.", gt=0)
    ] = 1.0
    max_steps: Annotated[
        Annotated[int, Meta(ge=1)] | Auto,
        Meta(
            description="Most optimizer steps of one training cycle; auto: by the base model's "
            "width, 400 for Ember; of a task from 512 wide on three passes, or 30 steps."
        ),
    ] = "auto"
    eval_every: Annotated[
        int,
        Meta(
            description="Optimizer steps between two evaluations; where a batch is known by "
            "stop_loss, one may come sooner.",
            ge=1,
        ),
    ] = 10
    stop_loss: Annotated[
        float,
        Meta(
            description="Training loss below which cooldown begins, in nats per token, of up to "
            "1000 new and 64 replayed examples, 32 new ones of a task; where all new ones are "
            "below it and exact from the start, no step is taken. 0: only max_steps ends "
            "training.",
            ge=0,
        ),
    ] = 0.05
    cooldown_steps: Annotated[
        int,
        Meta(
            description="Most optimizer steps at the end in which the learning rate falls to zero; "
            "a third of those before, where that is fewer; none by gauss_newton.",
            ge=0,
        ),
    ] = 30
    max_loss: Annotated[
        float,
        Meta(description="Training loss above which a training has diverged.", gt=0),
    ] = 50.0
    replay_ratio: Annotated[
        float,
        Meta(
            description="Replayed examples of earlier updates per new example in a micro-batch.",
            ge=0,
            le=8,
        ),
    ] = 0.5
    replay_examples: Annotated[
        int,
        Meta(description="Most examples of earlier updates replayed in one training cycle.", ge=0),
    ] = 256
    reworded_ratio: Annotated[
        float,
        Meta(
            description="Share of training rows whose question is worded otherwise, by rule or "
            "shortened, so that other wordings of it are answered too; by gauss_newton one or two "
            "more rows of each of up to 12 facts, unless 0. Inputs of a task are not worded "
            "otherwise.",
            ge=0,
            le=1,
        ),
    ] = 0.5
    seed: Annotated[
        int,
        Meta(
            description="Random seed of the adapter's initialisation, the order of examples, and "
            "dropout.",
            ge=0,
            lt=2**32,
        ),
    ] = 0
    priority: Annotated[
        Priority,
        Meta(
            description="Training's share of the engine's time while requests are answered: with "
            "background about 43 % beside one answer, 27 % beside two, 15 % beside more; 60 % with "
            "balanced, 85 % with eager. An idle engine trains all the time."
        ),
    ] = "background"
    when: Annotated[
        tuple[Literal["ac_power", "cool", "memory"], ...],
        Meta(
            description="Conditions that training waits for. ac_power: the machine does not run "
            "on battery. cool: the machine does not throttle for heat. memory: the system is not "
            "short of memory."
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
            description="Seconds between two snapshots of the training state, from which an "
            "interrupted cycle resumes.",
            gt=0,
        ),
    ] = 2.0
    max_minutes: Annotated[
        float,
        Meta(
            description="Minutes that the training of one cycle may take; then its jobs fail. "
            "Pauses are not counted. 0: no limit.",
            ge=0,
        ),
    ] = 720.0
    max_deaths: Annotated[
        int,
        Meta(
            description="Crashes of the process while a job trains, times that it needs more "
            "memory than the machine has in all, or that it diverges, after which the job is "
            "quarantined.",
            ge=1,
        ),
    ] = 2
    max_interruptions: Annotated[
        int,
        Meta(
            description="Interruptions of a job's training in a row without progress, such as the "
            "process being killed, after which the job is quarantined.",
            ge=1,
        ),
    ] = 25

    def recipe(self) -> "TrainingSettings":
        """What of these settings shapes an adapter: not when it is trained, saved or given up."""
        return msgspec.structs.replace(
            self,
            priority="background",
            when=(),
            quiet_hours=(),
            snapshot_seconds=1.0,
            max_minutes=0.0,
            max_deaths=1,
            max_interruptions=1,
        )


class AnchorSettings(Section, frozen=True):
    """Protection of what the model already answers, while it learns."""

    method: Annotated[
        Literal["naive", "anchor", "anchor+projection"],
        Meta(
            description="Protection against forgetting. naive: none. anchor: a loss term keeps "
            "outputs on anchors close to the reference's. anchor+projection: in addition, each "
            "step loses the part that would raise the anchors' loss."
        ),
    ] = "anchor+projection"
    reference: Annotated[
        Literal["deployed", "base"],
        Meta(
            description="Model whose outputs on anchors are kept. base: the base model, so that "
            "changes do not add up over many updates. deployed: the checkpoint that serves."
        ),
    ] = "base"
    weight: Annotated[
        float,
        Meta(description="Weight of the anchor loss; with a budget, its initial value.", ge=0),
    ] = 3.0
    budget: Annotated[
        float,
        Meta(
            description="KL divergence from the reference allowed on anchors, in nats per token; "
            "the weight follows it by dual ascent. 0: the weight is fixed.",
            ge=0,
        ),
    ] = 0.0
    batch_size: Annotated[
        int,
        Meta(description="Anchors and self-generated samples per anchor gradient.", ge=1, le=1024),
    ] = 8
    every: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | Auto,
        Meta(
            description="Optimizer steps between two anchor gradients, Gauss-Newton steps twice as "
            "many; auto: 4 with null_space, 1 without."
        ),
    ] = "auto"
    rarely_below: Annotated[
        Annotated[float, Meta(ge=0)] | Auto,
        Meta(
            description="Divergence on anchors, in nats per token, below which the next anchor "
            "gradient comes after twice as many steps; auto: 0.005 with null_space, 0 without."
        ),
    ] = "auto"
    own_samples: Annotated[
        Annotated[int, Meta(ge=0)] | Auto,
        Meta(
            description="Self-generated samples: texts that the reference model writes, to "
            "protect what no anchor covers. A number: a training waits until so many are there. "
            "auto: it takes those that were written while the service was idle, at most 768 for "
            "Ember and fewer for wider base models."
        ),
    ] = "auto"
    top_k: Annotated[
        int,
        Meta(
            description="Log-probabilities cached per token of the reference outputs.",
            ge=1,
            le=1024,
        ),
    ] = 32
    constraints: Annotated[
        Literal["average", "contexts"],
        Meta(
            description="Constraints of the projection. average: one, on all anchors. contexts: "
            "one per context of the anchors (GEM)."
        ),
    ] = "average"
    project: Annotated[
        Literal["update", "gradient"],
        Meta(
            description="Vector that is projected. update: the step that AdamW returns. gradient: "
            "the gradient that AdamW takes."
        ),
    ] = "update"
    replay_logits: Annotated[
        float,
        Meta(
            description="Weight of the loss that keeps the outputs recorded for replayed examples "
            "(DER++); 0: none.",
            ge=0,
        ),
    ] = 0.0
    null_space: Annotated[
        bool | Auto,
        Meta(
            description="Whether steps avoid the subspace of each layer's inputs on anchors, "
            "self-generated samples, earlier examples and the taught questions about other names; "
            "without effect with method naive. auto: for base models 512 to 2048 wide."
        ),
    ] = "auto"
    null_space_energy: Annotated[
        float,
        Meta(
            description="Share of the inputs' energy that the subspace avoided by null_space "
            "holds.",
            gt=0,
            lt=1,
        ),
    ] = 0.99

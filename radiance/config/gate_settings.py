"""Settings of what judges learning: how a checkpoint is measured, gated and monitored."""

from typing import Annotated, Literal

from msgspec import Meta

from radiance.config.section import Section


class EvaluationSettings(Section, frozen=True):
    """Measurement of a checkpoint before it can serve."""

    anchor_provider: Annotated[
        Literal["auto", "hf", "local", "common", "none"],
        Meta(
            description="Source of the anchors, besides those added under anchors/. auto: Ember's "
            "own list for ember, else hf. hf: anchor_dataset; common while it cannot be had. "
            "local: anchor_path. common: common knowledge and everyday instructions, as the base "
            "model answers them; it needs no download. none: no further anchors; without any "
            "anchor, forgetting is not measured."
        ),
    ] = "auto"
    anchor_dataset: Annotated[
        str,
        Meta(
            description="Hugging Face dataset of anchors, or a local folder in its format, for "
            "provider hf."
        ),
    ] = "tnn1t1s/news-100-sept-2023"
    anchor_split: Annotated[
        str, Meta(description="Split of the anchor dataset, for provider hf.")
    ] = "train"
    anchor_text_field: Annotated[
        str, Meta(description="Field of the dataset that holds the text; empty: detected.")
    ] = ""
    anchor_path: Annotated[
        str,
        Meta(
            description="JSONL, CSV or Parquet file of anchors, or a folder of texts, relative to "
            "the root, for provider local."
        ),
    ] = ""
    anchor_sample: Annotated[
        int,
        Meta(
            description="Most anchors measured per checkpoint, spread over the whole set; of "
            "provider common at most 42.",
            ge=1,
        ),
    ] = 100
    learned_examples: Annotated[
        int,
        Meta(
            description="Most new examples measured per checkpoint, spread over all of the "
            "cycle's.",
            ge=1,
        ),
    ] = 1000
    recall_examples: Annotated[
        int,
        Meta(
            description="Most examples of earlier updates whose recall is measured per checkpoint.",
            ge=0,
        ),
    ] = 100
    holdout_ratio: Annotated[
        float,
        Meta(
            description="Share of a cycle's examples held back from training for eval_loss, if "
            "there are 10 or more.",
            ge=0,
            lt=1,
        ),
    ] = 0.0


class GateSettings(Section, frozen=True):
    """The gate: whether a candidate checkpoint may serve."""

    gate: Annotated[
        Literal["off", "strict"],
        Meta(
            description="Gate on promotion. off: only rollback_mode can reject a candidate. "
            "strict: a candidate that fails any rule is rejected, and one whose update overwrites "
            'anchors without saying "supersede": true.'
        ),
    ] = "off"
    rollback_mode: Annotated[
        Literal["off", "warn", "auto_rollback"],
        Meta(
            description="Treatment of catastrophic forgetting. off: it is logged. warn: the "
            "checkpoint is marked risky and served. auto_rollback: the checkpoint is rejected."
        ),
    ] = "warn"
    catastrophic_delta: Annotated[
        float,
        Meta(
            description="Rise of forgetting_loss over the serving checkpoint's above which "
            "forgetting is catastrophic, in nats per token.",
            gt=0,
        ),
    ] = 0.03
    confidence: Annotated[
        float,
        Meta(
            description="Confidence of the one-sided bounds that the rules compare with their "
            "limits.",
            gt=0.5,
            lt=1,
        ),
    ] = 0.95
    min_new_exact: Annotated[
        float,
        Meta(
            description="Least share of new examples answered exactly, with gate strict.",
            ge=0,
            le=1,
        ),
    ] = 0.5
    min_new_gain: Annotated[
        float,
        Meta(
            description="Mean fall of the loss of new examples, of those not answered before, "
            "that must be exceeded, in nats per token, with gate strict.",
            ge=0,
        ),
    ] = 0.0
    max_anchor_mean: Annotated[
        float,
        Meta(
            description="Largest mean rise of the anchors' loss, in nats per token, with gate "
            "strict.",
            gt=0,
        ),
    ] = 0.03
    max_anchor_cvar: Annotated[
        float,
        Meta(
            description="Largest mean rise of the loss of the worst anchors (see cvar_share), in "
            "nats per token, with gate strict.",
            gt=0,
        ),
    ] = 0.3
    cvar_share: Annotated[
        float,
        Meta(
            description="Share of the anchors that count as the worst, for max_anchor_cvar.",
            gt=0,
            le=1,
        ),
    ] = 0.1
    max_anchor_broken: Annotated[
        float,
        Meta(
            description="Largest share of the anchors answered exactly before that no longer are, "
            "with gate strict.",
            gt=0,
            lt=1,
        ),
    ] = 0.12
    max_context_mean: Annotated[
        float,
        Meta(
            description="Largest mean rise of the anchors' loss in any one context, in nats per "
            "token, with gate strict.",
            gt=0,
        ),
    ] = 0.2
    context_anchors: Annotated[
        int,
        Meta(
            description="Fewest measured anchors of a context for max_context_mean to judge it.",
            ge=2,
        ),
    ] = 3
    min_recall: Annotated[
        float,
        Meta(
            description="Least share of earlier examples, of those the parent answered exactly, "
            "that still are, with gate strict.",
            ge=0,
            le=1,
        ),
    ] = 0.9
    max_bleeding: Annotated[
        float,
        Meta(
            description="Largest share of questions about names that were never taught that are "
            "answered with a taught value.",
            ge=0,
            le=1,
        ),
    ] = 0.25
    bleeding: Annotated[
        Literal["warn", "refuse"],
        Meta(
            description="Treatment of a candidate above max_bleeding. warn: the decision says so. "
            "refuse: with gate strict it is rejected."
        ),
    ] = "warn"
    max_drift: Annotated[
        float,
        Meta(
            description="Largest drift_loss against the parent, in nats per token, with gate "
            "strict.",
            gt=0,
        ),
    ] = 0.1
    max_cumulative: Annotated[
        float,
        Meta(
            description="Largest rise of forgetting_loss over the base's, of all updates "
            "together, in nats per token, with gate strict.",
            gt=0,
        ),
    ] = 0.5
    max_overwritten: Annotated[
        int,
        Meta(
            description="Most anchors that are overwritten and not accepted for a checkpoint to be "
            "stable. Above it the checkpoint is marked risky, unless rollback_mode is off; with "
            "gate strict it is rejected if its own update did that without saying so.",
            ge=0,
        ),
    ] = 0
    scale_back: Annotated[
        bool,
        Meta(
            description="Whether a candidate that learned but forgets too much is scaled back "
            "towards its parent, to the largest step that passes."
        ),
    ] = False


class MonitorSettings(Section, frozen=True):
    """Monitoring after a promotion."""

    action: Annotated[
        Literal["off", "warn", "rollback"],
        Meta(
            description="Response to a signal over its limit. off: nothing is watched. warn: it "
            "is logged. rollback: the checkpoint before serves again."
        ),
    ] = "warn"
    probe_minutes: Annotated[
        float, Meta(description="Minutes between two probes of the anchors; 0: never.", ge=0)
    ] = 60.0
    probe_anchors: Annotated[int, Meta(description="Anchors measured per probe.", ge=1)] = 16
    max_probe_loss: Annotated[
        float,
        Meta(
            description="Largest rise of the probed anchors' loss since promotion, in nats per "
            "token.",
            gt=0,
        ),
    ] = 0.2
    min_answers: Annotated[
        int,
        Meta(description="Fewest answers or votes for a ratio to count.", ge=1),
    ] = 20
    max_thumbs_down: Annotated[
        float, Meta(description="Largest ratio of thumbs-down votes among all votes.", gt=0, le=1)
    ] = 0.5
    max_errors: Annotated[
        float, Meta(description="Largest ratio of requests that failed in the engine.", gt=0, le=1)
    ] = 0.1
    max_output_drift: Annotated[
        float,
        Meta(
            description="Largest rise, over the checkpoint before, of the ratio of answers cut "
            "off at max_tokens, and of the ratio of answers that repeat themselves.",
            gt=0,
            le=1,
        ),
    ] = 0.3

"""Settings of what is deleted as time passes, so that the disk that a root takes is bounded."""

from typing import Annotated

from msgspec import Meta

from radiance.config.section import Section


class RetentionSettings(Section, frozen=True):
    """Retention: what of the past stays on the disk. Examples, decisions and the audit log do."""

    keep_checkpoints: Annotated[
        int,
        Meta(
            description="Checkpoints whose weights are kept, the newest ones; 0: all. Besides are "
            "kept: what serves or may come back to serve, pins, canaries, names and labels, "
            "imported adapters, and parents of what serves. Of others the weights are deleted, "
            "and their manifest and measurements stay.",
            ge=0,
        ),
    ] = 0
    keep_promoted: Annotated[
        int,
        Meta(
            description="Checkpoints whose weights are kept of those that served last, which are "
            "what a rollback goes to.",
            ge=2,
        ),
    ] = 10
    keep_tags: Annotated[
        tuple[str, ...],
        Meta(description="Tags of updates whose checkpoints keep their weights."),
    ] = ()
    keep_curves: Annotated[
        int,
        Meta(description="Cycles whose training curves are kept, the newest ones; 0: all.", ge=0),
    ] = 1000
    keep_experiments: Annotated[
        int,
        Meta(
            description="Canaries and shadows whose single answers are kept, the newest ones; 0: "
            "all. Their summaries are in the audit log.",
            ge=0,
        ),
    ] = 50
    keep_votes: Annotated[
        int, Meta(description="Votes on answers that are kept, the newest ones; 0: all.", ge=0)
    ] = 100_000
    log_bytes: Annotated[
        int,
        Meta(
            description="Most bytes of runs/service.log and the log before it, which a service "
            "that was installed by `radiance service install` writes; 0: no limit.",
            ge=0,
        ),
    ] = 64 << 20

"""A checkpoint's decision with its reason in one sentence, as pages show it."""

import msgspec

from radiance.api.services import Services
from radiance.errors import CorruptCheckpoint
from radiance.web.page import Data
from radiance.web.reasons import why


def decided(services: Services, checkpoint_id: str | None) -> Data | None:
    """What the gate decided on a checkpoint; None where it decided nothing."""
    decision = services.registry.decision(checkpoint_id) if checkpoint_id else None
    if decision is None or checkpoint_id is None:
        return None
    try:
        evaluation = services.registry.evaluation(checkpoint_id)
    except CorruptCheckpoint:
        evaluation = None
    return {**msgspec.to_builtins(decision), "why": why(decision, evaluation)}

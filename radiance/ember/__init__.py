"""Ember: the embedded base model, what it knows, and the recipe that makes it."""

from radiance.platform import load_fast_blas

# Before anything below loads MLX.
load_fast_blas()

from radiance.ember.model_files import ANCHORS_FILE, MODEL_PATH, write_anchors  # noqa: E402
from radiance.ember.world import Fact, listed_facts, unlisted_facts  # noqa: E402

__all__ = ["ANCHORS_FILE", "MODEL_PATH", "Fact", "listed_facts", "unlisted_facts", "write_anchors"]

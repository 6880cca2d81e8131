"""all-MiniLM-L6-v2, for tests with a real embedder: where it was fetched, or the reason to skip."""

from pathlib import Path

import pytest

from radiance.engine.model import fetching
from radiance.engine.model.named import NAMED

_WHEEL = NAMED["minilm"].wheel
assert _WHEEL is not None
MINILM: Path = fetching.kept_directory(_WHEEL)
"""Its folder in the cache, as this process found it at its start."""

needs_minilm = pytest.mark.skipif(
    not fetching.is_here(_WHEEL), reason="minilm was not fetched: radiance models get minilm"
)

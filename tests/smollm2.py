"""SmolLM2, for tests at the size of a real model: where it was fetched, or the reason to skip."""

from pathlib import Path

import pytest

from radiance.engine.model import fetching
from radiance.engine.model.named import NAMED

_WHEEL = NAMED["smollm2"].wheel
assert _WHEEL is not None
SMOLLM2: Path = fetching.kept_directory(_WHEEL) / _WHEEL.members[0].name
"""Its GGUF file in the cache, as this process found it at its start."""

needs_smollm2 = pytest.mark.skipif(
    not fetching.is_here(_WHEEL), reason="smollm2 was not fetched: radiance models get smollm2"
)

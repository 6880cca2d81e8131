"""What runs generated code is skipped where nothing can contain it."""

import pytest

from radiance.platform import sandbox

needs_sandbox = pytest.mark.skipif(
    not sandbox.is_available(),
    reason="generated code cannot be contained here: neither seccomp nor sandbox-exec",
)

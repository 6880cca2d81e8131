from collections.abc import Iterator

import pytest

from radiance.storage import steps


class Recorder:
    """Records the names of durable steps; raises before the step whose number is ``stop_at``."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.stop_at = 0

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.stop_at:
            raise KeyboardInterrupt


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    steps.set_hook(recorder)
    yield recorder
    steps.set_hook(None)

"""Which weights answer: the pointer to what serves, checkpoints asked for by name, live weights.

Belongs to the engine thread, but for ``serving``, which anybody may read.
"""

import functools
from collections.abc import Callable

from radiance.engine.adapters.cache import LOADED_BASE, AdapterCache, LoadedWeights
from radiance.engine.adapters.files import load_adapter
from radiance.engine.adapters.slots import Adapter
from radiance.engine.requests import Weights
from radiance.records import CheckpointStatus

LiveWeights = Callable[[], tuple[int, Adapter]]


class Sources:
    """Finds the source of the weights that a request names.

    Args:
        adapter_cache: The adapters in memory.

    Attributes:
        serving: What answers requests that name nothing.
        swaps: How often that changed.
    """

    def __init__(self, adapter_cache: AdapterCache) -> None:
        self._adapter_cache = adapter_cache
        self._live: tuple[LiveWeights, str] | None = None
        self._live_source: tuple[int, LoadedWeights] | None = None
        self.serving = LOADED_BASE
        self.swaps = 0

    def take(self, weights: Weights) -> LoadedWeights:
        """The source of these weights, held for one more user.

        Raises:
            CorruptCheckpoint: A checkpoint's files cannot be read.
        """
        return self._adapter_cache.hold(self._find(weights))

    def give_back(self, source: LoadedWeights) -> None:
        """One user less."""
        self._adapter_cache.release(source)

    def serve(self, weights: Weights) -> None:
        """Move the pointer; users of what served before keep it.

        Raises:
            CorruptCheckpoint: As ``take``; nothing has moved.
        """
        self._point_at(self._find(weights))

    def serve_adapter(
        self,
        adapter: Adapter | None,
        checkpoint_id: str | None,
        status: CheckpointStatus,
        content_hash: str,
    ) -> None:
        """Move the pointer to an adapter in memory; None is the base."""
        source = LOADED_BASE
        if adapter is not None:
            source = self._adapter_cache.fill(adapter, checkpoint_id, status, content_hash)
        self._point_at(source)

    def show_live(self, snapshot: LiveWeights, candidate_id: str) -> None:
        """Offer live training weights."""
        self._live = (snapshot, candidate_id)

    def hide_live(self) -> None:
        """End the offer; users of what was offered keep it."""
        self._live = None
        self._forget_live()

    def _find(self, weights: Weights) -> LoadedWeights:
        match weights.kind:
            case "base":
                return LOADED_BASE
            case "training":
                return self._live_weights() or self.serving
            case "checkpoint":
                assert weights.path is not None
                load = functools.partial(load_adapter, weights.path)
                return self._adapter_cache.bring(weights, load)
            case _:
                return self.serving

    def _live_weights(self) -> LoadedWeights | None:
        """A slot with the present training weights; the same until the next step is taken."""
        if self._live is None:
            return None
        snapshot, candidate_id = self._live
        step, adapter = snapshot()
        if self._live_source is None or self._live_source[0] != step:
            self._forget_live()
            source = self._adapter_cache.fill(adapter, candidate_id, CheckpointStatus.TRAINING)
            self._live_source = (step, self._adapter_cache.hold(source))
        return self._live_source[1]

    def _forget_live(self) -> None:
        if self._live_source is not None:
            self._adapter_cache.release(self._live_source[1])
            self._live_source = None

    def _point_at(self, source: LoadedWeights) -> None:
        previous, self.serving = self.serving, self._adapter_cache.hold(source)
        self._adapter_cache.release(previous)
        self.swaps += 1

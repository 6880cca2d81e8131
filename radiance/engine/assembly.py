"""From a base model to what decodes with it: the same on every process that has a part of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_lm.generate import make_stop_sequences

from radiance import config
from radiance.engine.adapters.slot_model import SlotModel
from radiance.engine.adapters.slots import SlotTable
from radiance.engine.decoding.batch import DecodeBatch, PrimaryBatch
from radiance.engine.decoding.kv_budget import (
    KvBudget,
    kv_bytes_per_token,
    kv_cache_bytes,
    prompt_cache_bytes,
)
from radiance.engine.decoding.prefix_cache import PrefixCache
from radiance.engine.decoding.speculation import Speculation
from radiance.engine.model.base import BaseModel, load_base
from radiance.engine.model.device import Device
from radiance.engine.model.stored import open_stored
from radiance.engine.sharding.primary import Primary
from radiance.engine.sharding.ranks import Ranks
from radiance.errors import ConfigError
from radiance.records import content_hash
from radiance.telemetry import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True)
class Assembly:
    """What decodes.

    Attributes:
        budget: Of keys and values, on this process.
        leader: Of rank 0, where the model is in parts.
        speculation: Where it is on.
    """

    base: BaseModel
    table: SlotTable
    model: SlotModel
    prompt_cache: PrefixCache
    batch: DecodeBatch
    budget: KvBudget
    leader: Primary | None = None
    speculation: Speculation | None = None


def assemble(
    name: str, path: Path, device: Device, settings: config.EngineSettings, ranks: Ranks | None
) -> Assembly:
    """Load the base model, or this process's part of it, and what decodes with it.

    Args:
        name: The base model, as configured.
        path: Its directory or GGUF file.
        device: What computes.
        settings: The ``[engine]`` section.
        ranks: The processes it is divided among, as ``engine.shard`` says; None: it is not.

    Raises:
        ConfigError: The base model cannot be used or not be divided, or the ranks differ.
        LostRank: Another rank is gone.
    """
    if ranks is not None:
        _agree(name, path, settings, ranks)
    base = load_base(name, path, device, ranks, settings.shard)
    leader = Primary(ranks) if ranks is not None and ranks.rank == 0 else None
    size = kv_bytes_per_token(base.model)
    prompts_bytes = prompt_cache_bytes(settings, device.memory_bytes)
    plan = [settings.decode_rows, settings.prefill_tokens, prompts_bytes]
    if ranks is not None:
        if not ranks.agree(str(size).encode()):
            # Ranks with more layers would forget earlier, and then not know what others know.
            _log.warning("no_prompt_cache", reason="the layers do not divide evenly")
            plan[2] = 0
        plan = [ranks.total(number if ranks.rank == 0 else 0) for number in plan]
    rows, prefill_tokens, cache_bytes = plan
    table = SlotTable(base.parts, leader)
    model = SlotModel(base.model, table, base.vocab_size, device.has_kernels, leader)
    prompt_cache = PrefixCache(cache_bytes)
    speculation = Speculation() if settings.speculation and ranks is None else None
    arguments: Any = (
        model,
        make_stop_sequences(base.tokenizer),
        prompt_cache,
        rows,
        prefill_tokens,
        speculation,
        device.has_kernels,
        ranks is None,
    )
    batch = DecodeBatch(*arguments) if leader is None else PrimaryBatch(leader, *arguments)
    budget = KvBudget(size, kv_cache_bytes(settings, device.memory_bytes))
    return Assembly(base, table, model, prompt_cache, batch, budget, leader, speculation)


def _agree(name: str, path: Path, settings: config.EngineSettings, ranks: Ranks) -> None:
    """Make sure that all ranks are about to load the same.

    Raises:
        ConfigError: They are not, on every rank.
        LostRank: A rank is gone.
    """
    mine = content_hash([open_stored(name, path).config, settings.shard])
    if not ranks.agree(mine.encode()):
        raise ConfigError(
            f"base_model (is {name!r}): not all ranks have the same base model and engine.shard. "
            "Give each the same files and settings."
        )

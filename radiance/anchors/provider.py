"""Which anchors a root has: its provider's, and always the user's own beside them."""

from pathlib import Path

from radiance.anchors import common, hub, local, own
from radiance.anchors.sets import AnchorSet, unite
from radiance.config import Config
from radiance.errors import ConfigError

EMBER = "ember"


def load(config: Config, published: Path) -> AnchorSet:
    """The anchors of a root.

    A dataset that cannot be had now does not keep a service from starting, nor from measuring what
    it forgets: common knowledge takes its place, ``missing`` says why, and the next start asks for
    it again. Who names one that the Hub does not have gets the error.

    Args:
        config: All settings.
        published: Ember's own list.

    Raises:
        ConfigError: The provider's anchors or the user's own cannot be used.
    """
    added = [anchor for addition in own.read(config.anchors_path) for anchor in addition.anchors]
    united = unite(added, _provided(config, published))
    seen: set[str] = set()
    for example in united.examples:
        if example.id in seen:
            raise ConfigError(
                f"{config.anchors_path}: two anchors have the id {example.id!r}. Rename one of "
                "them; `radiance anchors list` needs each id once."
            )
        seen.add(example.id)
    return united


def _provided(config: Config, published: Path) -> AnchorSet:
    settings = config.evaluation
    match settings.anchor_provider:
        case "none":
            return AnchorSet()
        case "local":
            if not settings.anchor_path:
                raise ConfigError(
                    'evaluation.anchor_path (is ""): anchor_provider = "local" needs it. Name a '
                    "JSONL, CSV or Parquet file or a folder of texts, relative to the root."
                )
            return local.read_set(config.root / Path(settings.anchor_path).expanduser())
        case "common":
            return common.read_set()
        case "auto" if config.base_model == EMBER:
            return local.read_set(published)
        case "auto" | "hf":
            try:
                return hub.read_set(settings)
            except hub.Unreachable as error:
                if settings.anchor_provider == "hf" and isinstance(error, hub.Unknown):
                    raise
                return common.read_set(missing=str(error))

"""How far a study is: its stages, and what each is of the whole."""

_WEIGHTS = {
    "markets": 0.03,
    "backbone": 0.02,
    "adapters": 0.7,
    "portfolios": 0.1,
    "gate": 0.15,
    "studies": 1.0,  # a sweep's, by itself
    "updates": 1.0,  # a replay's, by itself
}
_ALONE = ("studies", "updates")


def share(stage: str, done: int, total: int) -> float:
    """How much of the whole is done, in [0, 1]."""
    part = done / max(1, total)
    if stage in _ALONE:
        return part
    before = 0.0
    for name, weight in _WEIGHTS.items():
        if name == stage:
            return min(1.0, before + weight * part)
        before += weight
    return 0.0

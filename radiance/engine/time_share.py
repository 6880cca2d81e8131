"""When a piece of training may run between decode steps: by shares of the engine's time."""

from dataclasses import dataclass

from radiance.config import Priority

# Training's share of the engine's time while there are rows to decode; without any it has it all.
# Measured by bench.interference (README, "p99 of the gap between tokens while training"): with
# these, training keeps 9, 54 and 83 % of the speed that it has alone.
_SHARES: dict[Priority, float] = {"background": 0.15, "balanced": 0.62, "eager": 0.85}
# How long pieces may go on in a row while rows wait; a single one always may.
_MOST_AT_ONCE_S: dict[Priority, float] = {"background": 0.0, "balanced": 0.012, "eager": 0.05}
_MOST_OWED_S = 0.25  # a long prompt or piece is not paid back in one go


@dataclass
class TimeShare:
    """Keeps account of who had how much time.

    Attributes:
        owed_s: Time that training has a claim to; negative while it had more than its share.
    """

    priority: Priority
    owed_s: float = 0.0

    def decoded(self, seconds: float) -> None:
        """A decode step took so long."""
        share = _SHARES[self.priority]
        self.owed_s = min(_MOST_OWED_S, self.owed_s + seconds * share / (1 - share))

    def trained(self, seconds: float) -> None:
        """A piece took so long."""
        self.owed_s = max(-_MOST_OWED_S, self.owed_s - seconds)

    def is_turn(self, spent_s: float = 0.0) -> bool:
        """Whether a piece may run although rows wait for their next token.

        Args:
            spent_s: What pieces have taken since the last decode step.
        """
        return self.owed_s > 0 and (not spent_s or spent_s < _MOST_AT_ONCE_S[self.priority])

    def rest(self) -> None:
        """Nothing is being decoded: nobody owes anybody anything."""
        self.owed_s = 0.0

"""When a piece of training may run between decode steps: by shares of the engine's time."""

from dataclasses import dataclass

from radiance.config import Priority

# Training's share of the engine's time while there are rows to decode; without any it has it all.
_SHARES: dict[Priority, float] = {"background": 0.15, "balanced": 0.62, "eager": 0.85}
# In the background it has more beside few rows, where it would else come to a standstill: this much
# for each second that a row is decoded. Beside one row that is 0.43 of the time, beside two 0.27.
_FEW_ROWS: dict[Priority, float] = {"background": 0.75, "balanced": 0.0, "eager": 0.0}
# How long pieces may go on in a row while rows wait, at the least; a single one always may.
_MOST_AT_ONCE_S: dict[Priority, float] = {"background": 0.0, "balanced": 0.012, "eager": 0.05}
_MOST_OWED_S = 0.25  # a long prompt is not made good in one go
_MOST_OWING_S = 0.75  # nor a long piece
_READING = 0.5  # what readings get for each second that rows are decoded


@dataclass
class TimeShare:
    """Keeps account of who had how much time.

    Attributes:
        owed_s: Time that training has a claim to; negative while it had more than its share.
        reading_owed_s: The same of readings.
    """

    priority: Priority
    owed_s: float = 0.0
    reading_owed_s: float = 0.0
    _step_s: float = 0.0  # of decode steps lately, long prompts left out
    _due_s: float = 0.0  # what training gets for one

    def decoded(self, seconds: float, rows: int) -> None:
        """A decode step for so many rows took so long."""
        usual = min(seconds, 2 * self._step_s) if self._step_s else seconds
        self._step_s += 0.2 * (usual - self._step_s) if self._step_s else usual
        share = _SHARES[self.priority]
        ratio = max(share / (1 - share), _FEW_ROWS[self.priority] / max(1, rows))
        self._due_s = self._step_s * ratio
        self.owed_s = min(max(_MOST_OWED_S, self._due_s), self.owed_s + seconds * ratio)
        self.reading_owed_s = min(_MOST_OWED_S, self.reading_owed_s + _READING * seconds)

    def read(self, seconds: float) -> None:
        """A piece of a reading took so long."""
        self.reading_owed_s = max(-_MOST_OWING_S, self.reading_owed_s - seconds)

    def trained(self, seconds: float) -> None:
        """A piece took so long."""
        self.owed_s = max(-_MOST_OWING_S, self.owed_s - seconds)

    def is_turn(self, spent_s: float = 0.0, longest_s: float = 0.0) -> bool:
        """Whether a piece may run although rows wait for their next token.

        Short pieces come several in a row, for at most twice what a decode step gives: else
        training would get one for each, however short.

        Args:
            spent_s: What pieces have taken since the last decode step.
            longest_s: The longest of them.
        """
        most = max(_MOST_AT_ONCE_S[self.priority], 2 * self._due_s)
        return self.owed_s > 0 and (not spent_s or spent_s + longest_s <= most)

    def rest(self) -> None:
        """Nothing is being decoded: nobody owes anybody anything."""
        self.owed_s = self.reading_owed_s = 0.0

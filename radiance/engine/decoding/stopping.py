"""Stop strings, found in the text as it is generated, wherever the tokens happen to be cut."""

from collections.abc import Sequence


class StopScanner:
    """Lets text through except a stop string and whatever might still become one.

    What comes out for a text is the same however it is cut into pieces: all of it up to the
    earliest end of a stop string, without that string (of several that end there, the longest).

    Args:
        stops: The stop strings; none of them empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = sorted(stops, key=len, reverse=True)
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """More text; returns what can be shown of it. Nothing any more once ``found`` is set."""
        if self.found is not None:
            return ""
        if not self._stops:
            return text
        seen = self._held + text
        for end in range(len(self._held) + 1, len(seen) + 1):
            for stop in self._stops:
                if seen.endswith(stop, 0, end):
                    self.found, self._held = stop, ""
                    return seen[: end - len(stop)]
        kept = self._longest_beginning(seen)
        self._held = seen[len(seen) - kept :]
        return seen[: len(seen) - kept]

    def flush(self) -> str:
        """What was held back; call when no more text comes."""
        held, self._held = self._held, ""
        return held

    def _longest_beginning(self, seen: str) -> int:
        """Length of the longest end of ``seen`` that some stop string begins with."""
        for length in range(min(len(seen), len(self._stops[0]) - 1), 0, -1):
            tail = seen[-length:]
            if any(len(stop) > length and stop.startswith(tail) for stop in self._stops):
                return length
        return 0

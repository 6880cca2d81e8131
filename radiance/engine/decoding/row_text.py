"""From a row's tokens to its text: whole characters only, up to a stop string."""

from collections.abc import Callable, Sequence

from mlx_lm.tokenizer_utils import (
    BPEStreamingDetokenizer,
    SPMStreamingDetokenizer,
    StreamingDetokenizer,
)

from radiance.engine.decoding.stopping import StopScanner

_TRIMMING = (BPEStreamingDetokenizer, SPMStreamingDetokenizer)  # a space that a text begins with


class RowText:
    """The text of one answer as it grows.

    Args:
        detokenizer: The tokenizer's, fresh.
        stops: Strings that end the answer.
        begin: Cleans the very beginning of the answer (a space that only joins it to the prompt);
            None: it goes on with a text, and is kept as it is.

    Attributes:
        whole: All that was let through so far.
    """

    def __init__(
        self,
        detokenizer: StreamingDetokenizer,
        stops: Sequence[str],
        begin: Callable[[str], str] | None,
    ) -> None:
        if begin is None and isinstance(detokenizer, _TRIMMING):
            detokenizer.text, detokenizer.offset = " ", 1  # as if something stood before
        self._detokenizer = detokenizer
        self._scanner = StopScanner(stops)
        self._begin = begin
        self.whole = ""

    @property
    def stop_string(self) -> str | None:
        """The stop string that was met, if one was."""
        return self._scanner.found

    def add(self, token: int) -> str:
        """One more token; the text it lets through, often of several tokens or of none."""
        self._detokenizer.add_token(token)
        return self._pass_on(self._detokenizer.last_segment)

    def end(self) -> str:
        """No more tokens: what was held back."""
        self._detokenizer.finalize()
        text = self._pass_on(self._detokenizer.last_segment)
        if self._scanner.found is None:
            held = self._scanner.flush()
            self.whole += held
            text += held
        return text

    def _pass_on(self, segment: str) -> str:
        if segment and self._begin is not None:
            segment, self._begin = self._begin(segment), None
        text = self._scanner.feed(segment)
        self.whole += text
        return text

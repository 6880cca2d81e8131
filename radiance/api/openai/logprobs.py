"""Log-probabilities of tokens, in the two shapes that OpenAI's API has for them."""

import codecs
from collections.abc import Iterable

from radiance.api.openai.shapes import ChatLogprob, ChatLogprobs, TextLogprobs, TopLogprob
from radiance.engine.model.encoding import Encoder
from radiance.engine.requests import TokenLogprob

_LEAST = -9999.0  # JSON has no infinity; this is what OpenAI writes


def chat_logprobs(encoder: Encoder, tokens: Iterable[TokenLogprob]) -> ChatLogprobs:
    """Those of an answer in a chat."""
    return ChatLogprobs([_chat_logprob(encoder, token) for token in tokens])


def _chat_logprob(encoder: Encoder, found: TokenLogprob) -> ChatLogprob:
    top = [_top(encoder, token, logprob) for token, logprob in found.top]
    chosen = _top(encoder, found.token, found.logprob)
    return ChatLogprob(chosen.token, chosen.logprob, chosen.bytes, top)


def _top(encoder: Encoder, token: int, logprob: float) -> TopLogprob:
    written = encoder.vocabulary.token_bytes(token)
    return TopLogprob(written.decode(errors="replace"), max(logprob, _LEAST), list(written))


class TextLogprobsWriter:
    """Writes the log-probabilities of a text as it comes; offsets go on from part to part."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._offset = 0

    def part(self, tokens: Iterable[TokenLogprob | int]) -> TextLogprobs:
        """The next tokens; a bare number is a token that nothing predicts."""
        found = TextLogprobs([], [], [], [])
        for one in tokens:
            token = one if isinstance(one, int) else one.token
            found.tokens.append(self._name(token))
            found.text_offset.append(self._offset)
            self._offset += len(self._decoder.decode(self._encoder.vocabulary.token_bytes(token)))
            if isinstance(one, int):
                found.token_logprobs.append(None)
                found.top_logprobs.append(None)
            else:
                found.token_logprobs.append(max(one.logprob, _LEAST))
                found.top_logprobs.append(self._top(one))
        return found

    def _top(self, one: TokenLogprob) -> dict[str, float]:
        top: dict[str, float] = {}
        for token, logprob in (*one.top, (one.token, one.logprob)):
            top.setdefault(self._name(token), max(logprob, _LEAST))
        return top

    def _name(self, token: int) -> str:
        written = self._encoder.vocabulary.token_bytes(token)
        try:
            return written.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in written)

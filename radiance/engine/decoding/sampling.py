"""How the next token is chosen: mlx-lm's filters, penalties over what was said, forced forms.

A sampler takes log-probabilities (rows, vocabulary) and gives tokens (rows,). Rows that share one
sampler object are sampled in one call, so samplers without a seed are kept by their settings. A
processor takes the row's tokens so far (tokens,) and its logits (1, vocabulary).
"""

import functools
from collections.abc import Callable

import mlx.core as mx
from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p, make_sampler

from radiance.engine.requests import Sampling

Sampler = Callable[[mx.array], mx.array]
Processor = Callable[[mx.array, mx.array], mx.array]
_Xtc = tuple[float, float] | None  # probability and threshold


def sampler_of(sampling: Sampling, vocab_size: int) -> Sampler:
    """The sampler of a request."""
    top_k = sampling.top_k if sampling.top_k < vocab_size else 0  # mlx-lm refuses the whole of it
    xtc = (sampling.xtc_probability, sampling.xtc_threshold) if sampling.xtc_probability else None
    filters = (sampling.top_p, top_k, sampling.min_p, xtc)
    if sampling.seed is None or sampling.temperature == 0:
        return _shared(sampling.temperature, *filters)
    return Seeded(sampling.seed, sampling.temperature, *filters)


@functools.lru_cache(maxsize=256)
def _shared(temperature: float, top_p: float, top_k: int, min_p: float, xtc: _Xtc) -> Sampler:
    probability, threshold = xtc or (0.0, 0.0)
    return make_sampler(
        temp=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        xtc_probability=probability,
        xtc_threshold=threshold,
    )


class Seeded:
    """Draws with random numbers of its own, so that an answer does not depend on other rows."""

    def __init__(
        self, seed: int, temperature: float, top_p: float, top_k: int, min_p: float, xtc: _Xtc
    ) -> None:
        self._key = mx.random.key(seed)
        self._keys: list[mx.array] = []
        self._temperature = temperature
        self._top_p, self._top_k, self._min_p, self._xtc = top_p, top_k, min_p, xtc

    def __call__(self, logprobs: mx.array) -> mx.array:
        self._key, now = mx.random.split(self._key)
        return self._draw(logprobs, now)

    def ahead(self, logprobs: mx.array, drafted: int) -> mx.array:
        """Tokens (1 + drafted,) at as many places (places, vocabulary), until ``keep``.

        Each is drawn as it is when its turn comes one at a time.
        """
        self._keys, drawn = [self._key], []
        for place in range(drafted + 1):
            key, now = mx.random.split(self._keys[-1])
            self._keys.append(key)
            drawn.append(self._draw(logprobs[place : place + 1], now))
        return mx.concatenate(drawn)

    def keep(self, count: int) -> None:
        """So many of the tokens drawn ahead have come; the others will be drawn anew."""
        self._key = self._keys[count]

    def _draw(self, logprobs: mx.array, key: mx.array) -> mx.array:
        # In mlx-lm's order: make_sampler itself takes no key.
        if self._top_p < 1:
            logprobs = apply_top_p(logprobs, self._top_p)
        if self._min_p > 0:
            logprobs = apply_min_p(logprobs, self._min_p)
        if self._xtc is not None:
            key, own = mx.random.split(key)
            logprobs = _xtc(logprobs, *self._xtc, own)
        if self._top_k > 0:
            logprobs = apply_top_k(logprobs, self._top_k)
        return mx.random.categorical(logprobs / self._temperature, key=key)


def _xtc(logprobs: mx.array, probability: float, threshold: float, key: mx.array) -> mx.array:
    """mlx-lm's apply_xtc, which takes no key: drops all likely tokens but the least likely."""
    probs = mx.softmax(logprobs, -1)
    least = mx.where(probs > threshold, probs, mx.inf).min(axis=-1, keepdims=True)
    dropped = mx.where(probs > least, -mx.inf, logprobs)
    return mx.where(mx.random.uniform(key=key) > probability, logprobs, dropped)


def processors_of(sampling: Sampling, prompt_tokens: int, vocab_size: int) -> list[Processor]:
    """What changes a request's logits before a token is chosen.

    Args:
        sampling: How the request wants tokens chosen.
        prompt_tokens: Length of the prompt: presence and frequency count only what came after it.
        vocab_size: Width of the logits.
    """
    found: list[Processor] = []
    if sampling.repetition_penalty != 1:
        found.append(
            functools.partial(_repetition, sampling.repetition_penalty, sampling.repetition_context)
        )
    if sampling.presence_penalty or sampling.frequency_penalty:
        presence = (sampling.presence_penalty, sampling.presence_context)
        frequency = (sampling.frequency_penalty, sampling.frequency_context)
        found.append(functools.partial(_occurrences, presence, frequency, prompt_tokens))
    if sampling.logit_bias:
        bias = mx.zeros((vocab_size,))
        tokens = mx.array([token for token, _ in sampling.logit_bias])
        bias[tokens] = mx.array([value for _, value in sampling.logit_bias])
        found.append(lambda _, logits: logits + bias)
    return found


def _repetition(penalty: float, size: int, context: mx.array, logits: mx.array) -> mx.array:
    """Keskar et al. 2019, "CTRL", section 4.1; the sign-aware form."""
    seen = _counts(context[-size:] if size else context, logits.shape[-1]) > 0
    return mx.where(seen, mx.where(logits < 0, logits * penalty, logits / penalty), logits)


def _occurrences(
    presence: tuple[float, int],
    frequency: tuple[float, int],
    prompt_tokens: int,
    context: mx.array,
    logits: mx.array,
) -> mx.array:
    """OpenAI's penalties, each with its window: once for having been generated, and each time."""
    said = context[prompt_tokens:]
    once, often = (
        _counts(said[-size:] if size else said, logits.shape[-1])
        for _, size in (presence, frequency)
    )
    return logits - frequency[0] * often - presence[0] * (once > 0)


def _counts(tokens: mx.array, vocab_size: int) -> mx.array:
    """How often each token occurs, (vocabulary,) float32."""
    return mx.zeros((vocab_size,)).at[tokens].add(1.0)

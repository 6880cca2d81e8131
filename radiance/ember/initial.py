"""First weights that already contain a copying circuit.

Reading and copying need two attention heads in a row: one that looks one token back, and one that
looks for the place where the current token came before and copies what followed it (an induction
head). Trained from plain random weights, a model this small finds them late: after 500 steps of
2,048 tokens it copied nothing exactly. Both are linear algebra, so they are put in place here and
training refines them.

Source of the circuit: Olsson et al. 2022, "In-context Learning and Induction Heads".
"""

import math

import mlx.core as mx
from mlx_lm.models import llama

# Pairs of rotary dimensions. The fastest tell one place from the next; the slowest hardly turn
# within a hundred tokens, so that a match there does not depend on the distance.
_FAST_PAIRS = 4
_SLOW_FROM = 16
_BACK_SCORE = 10.0
_MATCH_SCORE = 2.0


def install_copying(model: llama.Model) -> None:
    """Put a look-back head into the first block and induction heads into the second.

    Draws from MLX's global random state. Needs two blocks, two query heads per key head and a head
    size of 64.
    """
    arguments = model.args
    size, head = arguments.hidden_size, arguments.hidden_size // arguments.num_attention_heads
    embedding = model.model.embed_tokens
    # What all tokens have in common; it cannot change the logits' differences.
    common = mx.random.normal((size,))
    common = common / mx.linalg.norm(common)
    embedding.weight = embedding.weight + common
    first, second = (block.self_attn for block in model.layers[:2])

    # Both tokens and the common part have norm 1 and share the normalised input's norm.
    strength = math.sqrt(size / 2)
    direction = _on_pairs(range(_FAST_PAIRS), head)
    factor = math.sqrt(_BACK_SCORE * math.sqrt(head)) / strength
    key = 0.3 * _head(first.k_proj.weight, 0, head) + factor * mx.outer(direction, common)
    first.k_proj.weight = _with_head(first.k_proj.weight, 0, head, key)
    for query_head, back in ((0, 1), (1, 2)):
        turned = _turn(direction, -back, head, arguments.rope_theta)
        query = 0.3 * _head(first.q_proj.weight, query_head, head)
        query = query + factor * mx.outer(turned, common)
        first.q_proj.weight = _with_head(first.q_proj.weight, query_head, head, query)

    # What the look-back head reads of a token, and where it writes it.
    read = _without(_head(first.v_proj.weight, 0, head), common)
    written = mx.random.normal((size, head)) / math.sqrt(size)
    first.v_proj.weight = _with_head(first.v_proj.weight, 0, head, read)
    output = first.o_proj.weight
    first.o_proj.weight = mx.concatenate([written, output[:, head:]], axis=1)

    slow = mx.array([float(d % (head // 2) >= _SLOW_FROM) for d in range(head)])[:, None]
    per_match = mx.square(slow * read).sum() / 2
    scale = mx.sqrt(_MATCH_SCORE * math.sqrt(head) / per_match)
    groups = arguments.num_key_value_heads or arguments.num_attention_heads
    for group in range(groups):
        matched = scale * slow * written.T * math.sqrt(size / 2)
        second.k_proj.weight = _with_head(second.k_proj.weight, group, head, matched / 4)
        copied = _without(_head(second.v_proj.weight, group, head), common)
        second.v_proj.weight = _with_head(second.v_proj.weight, group, head, copied)
        each = arguments.num_attention_heads // groups
        for query_head in range(group * each, (group + 1) * each):
            noise = 0.3 * _head(second.q_proj.weight, query_head, head)
            query = scale * slow * read + noise
            second.q_proj.weight = _with_head(second.q_proj.weight, query_head, head, query)
            columns = second.o_proj.weight
            begin = query_head * head
            second.o_proj.weight = mx.concatenate(
                [columns[:, :begin], 1.5 * copied.T, columns[:, begin + head :]], axis=1
            )


def _head(weight: mx.array, number: int, head: int) -> mx.array:
    return weight[number * head : (number + 1) * head]


def _with_head(weight: mx.array, number: int, head: int, rows: mx.array) -> mx.array:
    begin = number * head
    return mx.concatenate([weight[:begin], rows, weight[begin + head :]])


def _without(rows: mx.array, direction: mx.array) -> mx.array:
    return rows - mx.outer(rows @ direction, direction)


def _on_pairs(pairs: range, head: int) -> mx.array:
    vector = [0.0] * head
    for pair in pairs:
        vector[pair] = 1 / math.sqrt(len(pairs))
    return mx.array(vector)


def _turn(vector: mx.array, places: int, head: int, base: float) -> mx.array:
    """Rotate as the rotary embedding does, by a number of places."""
    half = head // 2
    angles = mx.array([places * base ** (-pair / half) for pair in range(half)])
    real, imaginary = vector[:half], vector[half:]
    cosine, sine = mx.cos(angles), mx.sin(angles)
    return mx.concatenate([real * cosine - imaginary * sine, real * sine + imaginary * cosine])

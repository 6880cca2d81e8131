"""From tokens to text: what goes on with a text keeps the space that it begins with."""

from typing import Any

import pytest
from mlx_lm.tokenizer_utils import BPEStreamingDetokenizer, SPMStreamingDetokenizer

from radiance.engine.decoding.row_text import RowText
from tests.chat_families import FAMILIES

KINDS = [("llama2", SPMStreamingDetokenizer), ("qwen2", BPEStreamingDetokenizer)]


def told(row: RowText, tokens: list[int]) -> str:
    return "".join([*(row.add(token) for token in tokens), row.end()])


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_what_goes_on_with_a_text_keeps_its_space(family: str, kind: Any) -> None:
    encoder = FAMILIES[family].encoder()
    tokenizer, text = encoder._tokenizer, "a\u00e9 the  thant"
    tokens = encoder.plain(text)
    pieces = tokenizer.convert_ids_to_tokens(tokens)
    cut = next(place for place, piece in enumerate(pieces) if place and piece[0] in "\u2581\u0120")
    assert told(RowText(kind(tokenizer), (), None), tokens[cut:]) == " the  thant"
    assert told(RowText(kind(tokenizer), ("tha",), None), tokens[cut:]) == " the  "
    assert told(RowText(kind(tokenizer), (), str.strip), tokens[cut:]) == "the  thant"

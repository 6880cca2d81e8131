"""Chat templates as the most used model families have them, on tokenizers small enough for a test.

Each is written anew, after what the family's template does, not copied: what it does with a system
turn, with outer space, with thoughts of earlier turns, and how it ends a turn. A family says by
hand what it has an assistant write, so that a test need not believe the code under test.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlx_lm.tokenizer_utils import TokenizerWrapper
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from radiance.engine.model.encoding import EncodedExample, Encoder

CONTEXT = 4096


def _plain(answer: str, is_last: bool) -> str:
    return answer


@dataclass(frozen=True)
class Family:
    """A chat template with the tokens it uses.

    Attributes:
        specials: Special tokens, the first the start of a text, the last the end of an answer.
        template: Jinja.
        written: What the template has of an answer, given whether it is the last of its chat.
        ending: What the template writes behind an answer that the model has to write, too.
        added: Added tokens that are not special.
        takes_system: Whether a system turn may come first.
        pieces: Whether the tokenizer is of SentencePiece's kind; else of GPT-2's.
    """

    specials: tuple[str, ...]
    template: str
    ending: str
    written: Callable[[str, bool], str] = _plain
    added: tuple[str, ...] = ()
    takes_system: bool = True
    pieces: bool = False

    def encoder(self) -> Encoder:
        """An encoder of this family."""
        return _encoder(self)


def _raise(reason: str) -> str:
    return "{{ raise_exception('" + reason + "') }}"


_ALTERNATE = (
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    + _raise("Conversation roles must alternate user/assistant/user/assistant/...")
    + "{% endif %}"
)
_SPLIT = (
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
)


def _thinker_writes(answer: str, is_last: bool) -> str:
    thought, _, said = answer.rpartition("</think>")
    said = said.lstrip("\n") if thought else said
    if not is_last:
        return said
    return f"<think>\n{thought.removeprefix('<think>').strip(chr(10))}\n</think>\n\n{said}"


def _begun_thinker_writes(answer: str, is_last: bool) -> str:
    thought, _, said = answer.rpartition("</think>")
    if not is_last:
        return said
    return f"{thought.removeprefix('<think>').strip(chr(10))}\n</think>\n\n{said}"


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

FAMILIES = {
    "qwen2": Family(
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful "
        "assistant.<|im_end|>\n' }}{% endif %}" + CHATML,
        "<|im_end|>",
    ),
    "qwen3": Family(
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' and not "
        "(m.content.startswith('<tool_response>') and m.content.endswith('</tool_response>')) %}"
        "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
        "{% for m in messages %}{% if m.role == 'assistant' %}"
        "{% set said = m.content %}{% set thought = '' %}{% if '</think>' in said %}"
        "{% set thought = said.split('</think>')[0].rstrip('\n').split('<think>')[-1]"
        ".lstrip('\n') %}{% set said = said.split('</think>')[-1].lstrip('\n') %}{% endif %}"
        "{{ '<|im_start|>assistant\n' }}{% if loop.index0 > ns.last and (loop.last or thought) %}"
        "{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + said.lstrip('\n') }}"
        "{% else %}{{ said }}{% endif %}{{ '<|im_end|>\n' }}"
        "{% else %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
        "{% if enable_thinking is defined and enable_thinking is false %}"
        "{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}",
        "<|im_end|>",
        written=_thinker_writes,
        added=("<think>", "</think>", "<tool_response>", "</tool_response>"),
    ),
    "llama2": Family(
        ("<s>", "</s>"),
        _SPLIT + "{% for message in rest %}" + _ALTERNATE + "{% if loop.index0 == 0 and system %}"
        "{% set said = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + message['content'] %}{% else %}"
        "{% set said = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + said.strip() + ' [/INST]' }}{% else %}"
        "{{ ' ' + said.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
        " </s>",
        written=lambda answer, is_last: f" {answer}",
        pieces=True,
    ),
    "llama3": Family(
        (
            "<|begin_of_text|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eot_id|>",
        ),
        "{% for message in messages %}{% set said = '<|start_header_id|>' + message['role'] + "
        "'<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}"
        "{% if loop.index0 == 0 %}{% set said = bos_token + said %}{% endif %}{{ said }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
        "{% endif %}",
        "<|eot_id|>",
    ),
    "mistral": Family(
        ("<s>", "[INST]", "[/INST]", "</s>"),
        "{{ bos_token }}"
        + _SPLIT
        + "{% for message in rest %}"
        + _ALTERNATE
        + "{% if message['role'] == 'user' %}{% if loop.last and system %}"
        "{{ '[INST] ' + system + '\n\n' + message['content'] + ' [/INST]' }}{% else %}"
        "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}{% else %}"
        "{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}",
        "</s>",
        # Behind a token of its own the tokenizer has a blank before each text, and here one more.
        written=lambda answer, is_last: f"  {answer}",
        pieces=True,
    ),
    "gemma": Family(
        ("<bos>", "<start_of_turn>", "<end_of_turn>"),
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
        + _raise("System role not supported")
        + "{% endif %}{% for message in messages %}"
        + _ALTERNATE
        + "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
        "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        "<end_of_turn>",
        takes_system=False,
        pieces=True,
    ),
    "phi3": Family(
        ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + "
        "'<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        "<|end|>",
    ),
    "zephyr": Family(  # its role markers are words, no tokens
        ("<s>", "</s>"),
        "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + "
        "eos_token }}{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        "</s>",
        pieces=True,
    ),
    "deepseek": Family(
        (
            "<｜begin▁of▁sentence｜>",
            "<｜User｜>",
            "<｜Assistant｜>",
            "<｜end▁of▁sentence｜>",
        ),
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
        "{{ message['content'] + '\n\n' }}{% elif message['role'] == 'user' %}"
        "{{ '<｜User｜>' + message['content'] }}{% else %}"
        "{{ '<｜Assistant｜>' + message['content'] + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}",
        "<｜end▁of▁sentence｜>",
    ),
    "deepseek-r1": Family(  # it begins a thought for the model, and writes none of an answer
        (
            "<｜begin▁of▁sentence｜>",
            "<｜User｜>",
            "<｜Assistant｜>",
            "<｜end▁of▁sentence｜>",
        ),
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
        "{{ message['content'] }}{% elif message['role'] == 'user' %}"
        "{{ '<｜User｜>' + message['content'] }}{% else %}{% set said = message['content'] %}"
        "{% if '</think>' in said %}{% set said = said.split('</think>')[-1] %}{% endif %}"
        "{{ '<｜Assistant｜>' + said + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}",
        "<｜end▁of▁sentence｜>",
        written=_begun_thinker_writes,
        added=("<think>", "</think>"),
    ),
    "unthinking": Family(  # a prompt ends with the thought that the model is not to have
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        CHATML.replace("assistant\n' }}", "assistant\n<think>\n\n</think>\n\n' }}"),
        "<|im_end|>",
    ),
    "command-r": Family(
        (
            "<BOS_TOKEN>",
            "<|START_OF_TURN_TOKEN|>",
            "<|USER_TOKEN|>",
            "<|CHATBOT_TOKEN|>",
            "<|SYSTEM_TOKEN|>",
            "<|END_OF_TURN_TOKEN|>",
        ),
        "{{ bos_token }}{% set names = {'user': 'USER', 'assistant': 'CHATBOT', 'system': 'SYSTEM'}"
        " %}{% for message in messages %}{{ '<|START_OF_TURN_TOKEN|><|' + names[message['role']] + "
        "'_TOKEN|>' + message['content'].strip() + '<|END_OF_TURN_TOKEN|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}",
        "<|END_OF_TURN_TOKEN|>",
    ),
    "smollm2": Family(
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        CHATML,
        "<|im_end|>",
    ),
    "granite": Family(
        ("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
        "{% for message in messages %}{{ '<|start_of_role|>' + message['role'] + "
        "'<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}"
        "{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}",
        "<|end_of_text|>",
    ),
    "glm": Family(  # no token ends a turn: the next role's does
        ("<|endoftext|>", "<|system|>", "<|assistant|>", "<|observation|>", "<|user|>"),
        "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        "<|user|>",
    ),
    "last-user-system": Family(  # the system text stands in the last user turn, behind its words
        ("<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"),
        _SPLIT + "{% set last = (rest | selectattr('role', 'equalto', 'user') | list)[-1] %}"
        "{% for message in rest %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
        "{% if system and message == last %}{{ '\n\n(' + system + ')' }}{% endif %}{{ '<|end|>' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
        "<|end|>",
    ),
}


@functools.cache
def _encoder(family: Family) -> Encoder:
    specials = tuple(dict.fromkeys(family.specials))
    tokenizer = _of_pieces(specials) if family.pieces else _of_bytes(specials)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in specials])
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in family.added])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.specials[0],
        eos_token=family.specials[-1],
        chat_template=family.template,
    )
    end = tokenizer.token_to_id(family.specials[-1])
    assert end is not None
    return Encoder(TokenizerWrapper(fast, eos_token_ids=[end]), CONTEXT, end)


def _of_bytes(specials: Sequence[str]) -> Tokenizer:
    """A token a byte, and merges over which the boundary of a turn may fall."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    newline, space = "Ċ", "Ġ"
    merges = [(newline, newline), (newline * 2, newline), (space, space), (">", newline)]
    merges += [("a", "n"), ("t", "h"), (space, "t"), (":", space)]
    words = [*specials, *letters, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE(vocab={w: n for n, w in enumerate(words)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _of_pieces(specials: Sequence[str]) -> Tokenizer:
    """As Llama 2's: a blank before each text, what is no piece as bytes."""
    letters = [chr(code) for code in range(33, 127)]
    merges = [("▁", "▁"), ("▁", "t"), ("a", "n"), ("▁", "["), ("t", "h")]
    known = ["<unk>", *specials, *(f"<0x{b:02X}>" for b in range(256)), "▁", *letters]
    words = [*known, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={w: n for n, w in enumerate(dict.fromkeys(words))},
            merges=merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


def learned_runs(encoded: EncodedExample) -> list[list[int]]:
    """The learned tokens of a chat, (tokens,) of each stretch without one between that is not."""
    runs: list[list[int]] = []
    before = False
    for token, is_learned in zip(encoded.tokens, encoded.is_completion, strict=True):
        if is_learned:
            if not before:
                runs.append([])
            runs[-1].append(token)
        before = is_learned
    return runs

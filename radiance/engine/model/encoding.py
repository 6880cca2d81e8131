"""Text to tokens, the same way for serving and for training, so that what was taught is asked.

With a chat template, a prompt is a user turn and an example is a chat; without one, a prompt is
the bare text (as ``mlx_lm.generate`` takes it) and an answer follows it after one space. Answers
end with an end-of-sequence token, so that generation ends where the training answer ended.
"""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from mlx_lm.tokenizer_utils import TokenizerWrapper

from radiance.engine.model.tool_format import ToolFormat, tool_format
from radiance.engine.model.vocabulary import Vocabulary
from radiance.errors import RequestError, TooLarge
from radiance.records import Example, Message

_MARK = "0MARK0"  # stands for a user's words in the template


@dataclass(frozen=True)
class EncodedExample:
    """An example as tokens.

    Attributes:
        example_id: Which example.
        tokens: The whole sequence.
        is_completion: For each token, whether it is to be learned (its loss counts).
    """

    example_id: str
    tokens: tuple[int, ...]
    is_completion: tuple[bool, ...]


class Encoder:
    """Encodes prompts and examples for one base model. Safe to use from several threads.

    Args:
        end_token: Closes an answer that the chat template does not close itself.
        vocab_size: Width of the model's logits; None: as many as the tokenizer knows.

    Attributes:
        vocabulary: What single tokens stand for.
    """

    def __init__(
        self,
        tokenizer: TokenizerWrapper,
        context_tokens: int,
        end_token: int,
        vocab_size: int | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()  # Rust tokenizers refuse a change while another thread reads
        self.context_tokens = context_tokens
        self.has_chat_template = bool(tokenizer.has_chat_template)
        self.end_tokens = frozenset(tokenizer.eos_token_ids)
        self._end_token = end_token
        self.vocabulary = Vocabulary(tokenizer, vocab_size or len(tokenizer), self.end_tokens)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Tokens that ask for the next assistant turn.

        Raises:
            TooLarge: No room is left in the context for an answer.
        """
        with self._lock:
            tokens = self._prompt(messages)
        if len(tokens) >= self.context_tokens:
            raise TooLarge(
                f"the prompt has {len(tokens)} tokens and the model's context is "
                f"{self.context_tokens}",
                field="prompt",
                value=messages[-1].content,
                remedy=f"Shorten the prompt to fewer than {self.context_tokens} tokens.",
            )
        return tokens

    def chat_prompt(
        self,
        turns: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]] | None = None,
        *,
        thinking: bool = True,
    ) -> list[int]:
        """Tokens that ask for the next assistant turn of a chat in OpenAI's shape.

        Args:
            turns: As the chat template takes them: "role", "content", "tool_calls" and so on.
            tools: Functions the model may call, as the chat template takes them.
            thinking: Whether a model that can think before it answers is to do so.

        Raises:
            RequestError: The template refuses the turns; it says why.
            TooLarge: No room is left in the context for an answer.
        """
        if not self.has_chat_template:
            return self.prompt([Message("user", str(turn.get("content") or "")) for turn in turns])
        options: dict[str, Any] = {"tools": list(tools)} if tools else {}
        if not thinking:
            options["enable_thinking"] = False
        with self._lock:
            try:
                tokens = list(
                    self._tokenizer.apply_chat_template(
                        list(turns), tokenize=True, add_generation_prompt=True, **options
                    )
                )
            except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
                raise RequestError(
                    f"messages: the model's chat template refuses them: {error}.",
                    field="messages",
                    remedy="Send turns of roles and in an order that the model knows.",
                ) from None
        self.check_prompt(tokens)
        return tokens

    @functools.cached_property
    def tool_format(self) -> ToolFormat | None:
        """How the model writes calls of tools; None where its chat template has none."""
        return tool_format(self._tokenizer)

    @functools.cached_property
    def thought_marks(self) -> tuple[str, str] | None:
        """Texts before and after what the model thinks before it answers; None if it does not."""
        start, end = self._tokenizer.think_start, self._tokenizer.think_end
        return (start, end) if start and end else None

    def is_thinking(self, prompt: Sequence[int]) -> bool:
        """Whether a prompt ends within what the model thinks."""
        if self.thought_marks is None:
            return False
        find_start, find_end = self._tokenizer.rfind_think_start, self._tokenizer.rfind_think_end
        return find_start(prompt) > find_end(prompt)

    def text(self, text: str) -> list[int]:
        """Tokens of a text that begins here: with what texts begin with; at least one."""
        with self._lock:
            return list(self._tokenizer.encode(text)) or [self._end_token]

    def check_prompt(self, tokens: Sequence[int], field: str = "messages") -> None:
        """Raise TooLarge where a prompt leaves no room in the context for an answer."""
        if len(tokens) >= self.context_tokens:
            raise TooLarge(
                f"the prompt has {len(tokens)} tokens and the model's context is "
                f"{self.context_tokens}",
                field=field,
                remedy=f"Shorten it to fewer than {self.context_tokens} tokens.",
            )

    @functools.cached_property
    def user_turn(self) -> tuple[list[int], list[int]]:
        """Tokens before and after a user's words in a prompt of one turn; the first are not empty.

        Without a chat template nothing comes after, and before it what any text begins with.
        """
        with self._lock:
            if not self.has_chat_template:
                return list(self._tokenizer.encode("")) or [self._end_token], []
            turn = [{"role": "user", "content": _MARK}]
            text = self._tokenizer.apply_chat_template(
                turn, tokenize=False, add_generation_prompt=True
            )
            before, _, after = str(text).partition(_MARK)
            return self._plain(before), self._plain(after)

    def example(self, example: Example) -> EncodedExample:
        """Tokens of an example and which of them are learned: every assistant turn, or all text."""
        with self._lock:
            if example.text:
                tokens = [*self._tokenizer.encode(example.text), self._end_token]
                learned = [False] + [True] * (len(tokens) - 1)  # nothing predicts the first
            elif self.has_chat_template:
                tokens, learned = self._chat(example.messages)
            else:
                prompt = self._prompt(example.messages[:-1])
                answer = [*self._plain(" " + example.messages[-1].content), self._end_token]
                tokens = prompt + answer
                learned = [False] * len(prompt) + [True] * len(answer)
        return EncodedExample(example.id, tuple(tokens), tuple(learned))

    def plain(self, text: str) -> list[int]:
        """Tokens of a text as it stands, with nothing before or after it."""
        with self._lock:
            return self._plain(text)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens."""
        with self._lock:
            return str(self._tokenizer.decode(list(tokens)))

    def user_words(self, tokens: Sequence[int]) -> str:
        """What the user says in a prompt of one turn; without a chat template, all of a text."""
        head, foot = self.user_turn
        end = len(tokens)
        for place in range(len(head), len(tokens) - len(foot) + 1) if foot else ():
            if list(tokens[place : place + len(foot)]) == foot:
                end = place
                break
        with self._lock:
            return str(self._tokenizer.decode(list(tokens[len(head) : end])))

    def windows(self, example: Example, most: int | None = None) -> list[EncodedExample]:
        """Tokens of an example as sequences that fit the context; the first has its id.

        Args:
            example: What to encode.
            most: Most tokens of a sequence of text; None: the context's.

        A longer text is cut: each window goes on from the last token of the one before, so that
        every token but the first is learned exactly once. A longer chat loses its beginning.
        """
        whole = self.example(example)
        tokens, size = whole.tokens, self.context_tokens
        if example.text and most is not None:
            size = min(size, most)
        if len(tokens) <= size:
            return [whole]
        if example.messages:
            learned = (False, *whole.is_completion[1 - size :])
            return [EncodedExample(example.id, tokens[-size:], learned)]
        has_start = tokens[0] == self._tokenizer.bos_token_id
        start, body = (tokens[:1], tokens[1:]) if has_start else ((), tokens)
        windows = []
        for place in range(0, len(body) - 1, size - len(start) - 1):
            part = body[place : place + size - len(start)]
            is_first_learned = has_start and place == 0
            learned = (*(False for _ in start), is_first_learned, *(True for _ in part[1:]))
            name = f"{example.id}#{len(windows) + 1}" if windows else example.id
            windows.append(EncodedExample(name, start + part, learned))
        return windows

    def check_fits(self, example: Example) -> None:
        """Raise TooLarge when an example does not fit the context."""
        length = len(self.example(example).tokens)
        if length > self.context_tokens:
            raise TooLarge(
                f"the example has {length} tokens and the model's context is {self.context_tokens}",
                value=example.text or example.messages[-1].content,
                remedy=f"Shorten it to {self.context_tokens} tokens or split it.",
            )

    def answer_text(self, text: str) -> str:
        """A generated text as the answer: without the space that joins it to a bare prompt."""
        return text if self.has_chat_template else text.removeprefix(" ")

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        if self.has_chat_template:
            return self._template(messages, add_generation_prompt=True)
        return list(self._tokenizer.encode("\n".join(m.content for m in messages)))

    def _chat(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        tokens = self._template(messages)
        learned = [False] * len(tokens)
        end = len(tokens)
        for index, message in enumerate(messages):
            if message.role != "assistant":
                continue
            asked = self._template(messages[:index], add_generation_prompt=True)
            told = self._template(messages[: index + 1])
            # A template may write earlier turns differently later (it drops their reasoning): then
            # the turn is not found where it stood. The last turn always is.
            if tokens[: len(told)] == told:
                start = _common_prefix(asked, told)
                end = self._answer_end(told, start)
                learned[start:end] = [True] * (end - start)
        tokens, learned = tokens[:end], learned[:end]
        if tokens[-1] not in self.end_tokens:
            tokens, learned = [*tokens, self._end_token], [*learned, True]
        return tokens, learned

    def _answer_end(self, tokens: list[int], start: int) -> int:
        """One past the first end token from ``start`` on; the length where there is none."""
        for index in range(start, len(tokens)):
            if tokens[index] in self.end_tokens:
                return index + 1
        return len(tokens)

    def _template(self, messages: Sequence[Message], **options: Any) -> list[int]:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        return list(self._tokenizer.apply_chat_template(turns, tokenize=True, **options))

    def _plain(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    length = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        length += 1
    return length

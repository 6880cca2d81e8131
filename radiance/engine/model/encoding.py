"""Text to tokens, the same way for serving and for training, so that what was taught is asked.

With a chat template, a prompt is a user turn and an example is a chat; without one, a prompt is
the bare text (as ``mlx_lm.generate`` takes it) and an answer follows it after one space. Answers
end with an end-of-sequence token, so that generation ends where the training answer ended.

What a message says is text: the name of a control token in it is encoded letter by letter, so that
nobody ends or begins a turn by writing so (``control_tokens.py``). Only in what a model itself
writes, an assistant's turn, the marks of thoughts and calls are those tokens.
"""

import copy
import functools
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlx_lm.tokenizer_utils import TokenizerWrapper

from radiance.engine.model.chat_turns import Turn, as_chat, check_tools, refusals, taught_turns
from radiance.engine.model.control_tokens import ControlTokens, Hidden
from radiance.engine.model.tool_format import ToolFormat, tool_format
from radiance.engine.model.vocabulary import Vocabulary
from radiance.errors import RequestError, TooLarge
from radiance.records import Example, Message
from radiance.records.tools import TemplateTool
from radiance.telemetry import get_logger

_log = get_logger(__name__)
_LONG_CHARACTERS = 20_000  # which take some milliseconds
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
        calls = tool_format(tokenizer)
        marks = (*(self.thought_marks or ()), *((calls.start, calls.end) if calls else ()))
        self._controls = ControlTokens(tokenizer, self.end_tokens, marks)

    @contextmanager
    def _turn(self, characters: int) -> Iterator["Encoder"]:
        """The one to encode a text of so many characters with: no short one waits for a long one.

        A tokenizer reads one text at a time, and some millions of characters take it seconds.
        """
        encoder = self if characters <= _LONG_CHARACTERS else self._for_long_texts
        with encoder._lock:
            yield encoder

    @functools.cached_property
    def _for_long_texts(self) -> "Encoder":
        """The same with a tokenizer of its own, made when the first long text comes."""
        with self._lock:
            tokenizer = copy.deepcopy(self._tokenizer)
        return Encoder(tokenizer, self.context_tokens, self._end_token, self.vocabulary.size)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Tokens that ask for the next assistant turn.

        Raises:
            RequestError: The model's chat template refuses the turns.
            TooLarge: No room is left in the context for an answer.
        """
        length = sum(len(m.content) for m in messages)
        self.check_length(length, "prompt")
        with self._turn(length) as turn:
            tokens = turn._prompt(messages)
        self.check_prompt(tokens, "prompt", messages[-1].content)
        return tokens

    def chat_prompt(
        self,
        turns: Sequence[Turn],
        tools: Sequence[TemplateTool] | None = None,
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
        said = (turn.get("content") for turn in turns)
        length = sum(len(text) for text in said if isinstance(text, str))
        self.check_length(length, "messages")
        self._check_turns(len(turns))
        hidden = Hidden()
        shown, options = self._hide(turns, tools, hidden)
        if not thinking:
            options["enable_thinking"] = False
        with self._turn(length) as turn:
            text = refusals(turn._render)(shown, add_generation_prompt=True, **options)
            self.check_length(len(text), "messages")
            tokens = turn._controls.encode(text, hidden)
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
        """Tokens of a text that begins here: with what texts begin with, once; at least one.

        It is the caller's whole text, perhaps a chat that they have written by the template
        themselves: names of control tokens in it are those tokens.

        Raises:
            TooLarge: No text of its length fits the context.
        """
        self.check_length(len(text), "prompt")
        with self._turn(len(text)) as turn:
            tokens = turn._controls.plain(text)
        start = self._controls.start
        return (tokens if tokens[: len(start)] == start else start + tokens) or [self._end_token]

    @functools.cached_property
    def most_characters(self) -> int:
        """No longer text fits the context, whatever it says."""
        return self.context_tokens * self.vocabulary.longest_characters

    def may_fit(self, characters: int) -> bool:
        """Whether a text of so many characters can fit the context."""
        return characters <= self.most_characters

    def check_length(self, characters: int, field: str) -> None:
        """Raise TooLarge where no text of so many characters fits, before it is made tokens of."""
        if not self.may_fit(characters):
            raise TooLarge(
                f"the text has {characters} characters, and the model's context of "
                f"{self.context_tokens} tokens holds at most {self.most_characters}",
                field=field,
                remedy="Shorten it.",
            )

    def _check_turns(self, turns: int) -> None:
        """Raise TooLarge where there are more turns than tokens: a template reads each of them."""
        if turns > self.context_tokens:
            raise TooLarge(
                f"the chat has {turns} turns and the model's context is {self.context_tokens} "
                "tokens",
                field="messages",
                remedy="Leave out its beginning.",
            )

    def check_prompt(
        self, tokens: Sequence[int], field: str = "messages", value: str | None = None
    ) -> None:
        """Raise TooLarge where a prompt leaves no room in the context for an answer."""
        if len(tokens) >= self.context_tokens:
            raise TooLarge(
                f"the prompt has {len(tokens)} tokens and the model's context is "
                f"{self.context_tokens}",
                field=field,
                value=value,
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
            before, _, after = self._render(turn, add_generation_prompt=True).partition(_MARK)
            return self._controls.plain(before), self._controls.plain(after)

    def example(self, example: Example) -> EncodedExample:
        """Tokens of an example and which of them are learned: every assistant turn, or all text.

        Raises:
            RequestError: The model's chat template refuses the turns or leaves one out, or a
                control token's name cannot be written as text.
        """
        length = len(example.text) + sum(len(message.content) for message in example.messages)
        with self._turn(length) as turn:
            controls = turn._controls
            if example.text:
                body = controls.without_own(example.text, self._end_token)
                tokens = [*controls.start, *controls.words(body), self._end_token]
                learned = [False] + [True] * (len(tokens) - 1)  # nothing predicts the first
            elif self.has_chat_template:
                tokens, learned = turn._chat(example.messages)
            elif example.has_tools:
                raise RequestError.of(
                    "messages",
                    "the base model has no chat template, and so no way to call tools",
                    None,
                    "Leave out tools, calls and results.",
                )
            else:
                prompt = turn._prompt(example.messages[:-1])
                answer = [*controls.words(" " + example.messages[-1].content), self._end_token]
                tokens = prompt + answer
                learned = [False] * len(prompt) + [True] * len(answer)
        return EncodedExample(example.id, tuple(tokens), tuple(learned))

    def refusal(self, example: Example) -> str | None:
        """Why the model's chat template does not take an example; None where it does.

        Another base model's template may not take what the one before took.
        """
        if example.text or not self.has_chat_template:
            return None
        turns, tools = as_chat(example.messages)
        render = refusals(partial(self._render, **({"tools": tools} if tools else {})))
        try:
            with self._lock:
                render(turns[:-1], add_generation_prompt=True)
                if turns[-1]["content"] or example.messages[-1].calls:  # else the base answers it
                    render(turns)
        except RequestError as error:
            return str(error)
        return None

    def taken(self, examples: Iterable[Example]) -> list[Example]:
        """Those that the model's chat template takes; the others are named in the log."""
        found = []
        for example in examples:
            if (reason := self.refusal(example)) is None:
                found.append(example)
            else:
                _log.warning("set_aside", id=example.id, reason=reason)
        return found

    def plain(self, text: str) -> list[int]:
        """Tokens of a text as it stands, with nothing before or after it."""
        with self._turn(len(text)) as turn:
            return turn._controls.words(text)

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
        texts = [example.text] if example.text else [m.content for m in example.messages]
        self.check_length(sum(map(len, texts)), "")
        self._check_turns(len(example.messages))
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
        if not self.has_chat_template:
            words = self._controls.words("\n".join(m.content for m in messages))
            return self._controls.start + words
        hidden = Hidden()
        turns, options = self._hide(*as_chat(messages), hidden)
        text = refusals(self._render)(turns, add_generation_prompt=True, **options)
        return self._controls.encode(text, hidden)

    def _hide(
        self, turns: Sequence[Turn], tools: Sequence[TemplateTool] | None, hidden: Hidden
    ) -> tuple[list[Turn], dict[str, Any]]:
        """Turns and options for the template, with what is no structure in them hidden."""
        hide = self._controls.hide
        options = {"tools": hide(list(tools), "tool", hidden)} if tools else {}
        return [hide(turn, str(turn.get("role")), hidden) for turn in turns], options

    def _chat(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        """A chat by the template, up to the end of its last answer; which tokens are answers."""
        hidden = Hidden()
        turns, options = self._hide(*as_chat(messages), hidden)
        for turn in turns:
            if turn["role"] == "assistant":
                turn["content"] = hidden.hide(turn["content"], self._controls.outer_space)
        render = refusals(partial(self._render, **options))
        if options:
            check_tools(render, turns, options["tools"])
        text, answers = taught_turns(render, turns, self._controls, self.thought_marks)
        tokens: list[int] = []
        learned: list[bool] = []
        done = 0
        for answer in answers:
            asked = self._goes_on(tokens, text, done, answer.start, hidden)
            told = self._goes_on(asked, text, answer.start, answer.end, hidden)
            start = _common_prefix(asked, told)
            # Where the text before is cut into other tokens now, their marks would be of others.
            kept = min(start, _common_prefix(tokens, told))
            learned = learned[:kept] + [False] * (start - kept) + [True] * (len(told) - start)
            tokens, done = told, answer.end
        if tokens[-1] not in self.end_tokens:
            tokens, learned = [*tokens, self._end_token], [*learned, True]
        return tokens, learned

    def _goes_on(
        self, before: list[int], text: str, start: int, end: int, hidden: Hidden
    ) -> list[int]:
        """Tokens of a text up to ``end``, of which those up to ``start`` are ``before``.

        Where a token would reach over ``start`` it is cut there: a prompt ends there too.
        """
        whole = self._controls.encode(text[:end], hidden)
        if whole[: len(before)] == before:
            return whole
        rest = self._controls.continued(text[start:end], hidden)
        cut = None if rest is None else [*before, *rest]
        if cut is None or self._tokenizer.decode(cut) != self._tokenizer.decode(whole):
            return whole
        return cut

    def _render(self, turns: Sequence[Turn], **options: Any) -> str:
        return str(self._tokenizer.apply_chat_template(list(turns), tokenize=False, **options))


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    length = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        length += 1
    return length

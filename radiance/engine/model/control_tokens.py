"""What in a text is a token of structure and what is only its name, written by somebody.

A chat template writes ``<|end|>`` to end a turn; a message may say ``<|end|>`` too, in a sentence
about chat templates, in HTML (``<s>``), or to forge a turn. In one string the two look alike. So
the names in a message are hidden before the template sees it, and encoded afterwards by a copy of
the tokenizer that knows the tokens of structure by other names, which nobody can write.
"""

import functools
import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mlx_lm.tokenizer_utils import TokenizerWrapper
from tokenizers import Tokenizer

from radiance.errors import RequestError

PROBE = "\ue002"  # stands for a message's words where only their place is wanted
_OPEN, _CLOSE = "\ue000", "\ue001"
_HIDDEN = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_PRIVATE = f"[{_OPEN}{_CLOSE}{PROBE}]"
_OUTER_SPACE = r"\A\s+|\s+\Z"
_SHORTEST = 3  # a "special" token of one or two characters ("!", "#") is one that text has anyway


class Hidden:
    """Parts of messages that a template is not to read: neither as structure nor as outer space."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def hide(self, text: str, what: re.Pattern[str]) -> str:
        """``text`` with every match of ``what`` replaced by a mark."""
        return what.sub(self._mark, text)

    def show(self, text: str) -> str:
        """``text`` with what the marks in it stand for."""
        return _HIDDEN.sub(lambda mark: self._parts[int(mark[1])], text)

    def named(self, text: str, names: re.Pattern[str]) -> str | None:
        """The first hidden part within ``text`` that holds one of ``names``; None without one."""
        parts = (self._parts[int(mark[1])] for mark in _HIDDEN.finditer(text))
        return next((part for part in parts if names.search(part)), None)

    def _mark(self, match: re.Match[str]) -> str:
        self._parts.append(match[0])
        return f"{_OPEN}{len(self._parts) - 1}{_CLOSE}"


class ControlTokens:
    """The tokens of a tokenizer that are structure: they end, begin and name turns and texts.

    That is each special token, each that ends an answer, and each added token that the chat
    template has in its source. Calls are not safe from several threads at once.

    Args:
        end_tokens: Those that end an answer.
        own: Texts that a model itself writes around what it thinks and calls: structure, but not in
            an assistant's turn.

    Attributes:
        start: What the tokenizer puts before a text.
    """

    def __init__(
        self, tokenizer: TokenizerWrapper, end_tokens: Collection[int], own: Collection[str]
    ) -> None:
        self._tokenizer = tokenizer
        template = str(tokenizer.chat_template or "")
        self.ids = {
            token.content: number
            for number, token in tokenizer.added_tokens_decoder.items()
            if len(token.content.strip()) >= _SHORTEST
            and (token.special or number in end_tokens or token.content in template)
        }
        self.end_names = frozenset(n for n, number in self.ids.items() if number in end_tokens)
        self.pattern = _any_of(self.ids)
        written = [name for name in self.ids if name not in own]
        self.in_messages = _any_of(self.ids, _PRIVATE)
        self.in_answers = _any_of(written, _PRIVATE)
        self.outer_space = re.compile(_OUTER_SPACE)
        self.start = _added_start(tokenizer.encode)
        self._secret = secrets.token_hex(8)

    def hide(self, value: Any, role: str, hidden: Hidden) -> Any:
        """What somebody sent, with what is no structure in it hidden from the template."""
        if isinstance(value, str):
            return hidden.hide(value, self.in_answers if role == "assistant" else self.in_messages)
        if isinstance(value, Mapping):
            return {
                self.hide(name, role, hidden): item
                if name == "role"
                else self.hide(item, role, hidden)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.hide(item, role, hidden) for item in value]
        return value

    def words(self, text: str) -> list[int]:
        """Tokens of a text as it stands, in which nothing is structure."""
        hidden = Hidden()
        return self.encode(hidden.hide(text, self.in_messages), hidden)

    def without_own(self, text: str, end_token: int) -> str:
        """A text without the start and the end token that it brings itself: it is given both."""
        for name, number in self.ids.items():
            if [number] == self.start:
                text = text.removeprefix(name)
        for name in self.end_names:
            if self.ids[name] == end_token:
                text = text.removesuffix(name)
        return text

    def encode(self, text: str, hidden: Hidden) -> list[int]:
        """Tokens of a rendered text; what ``hidden`` holds is text in it.

        Raises:
            RequestError: This tokenizer cannot write a control token's name as text.
        """
        name = hidden.named(text, self.pattern)
        if name is None:
            return self.plain(hidden.show(text))
        if self._copy is None:
            raise _unwritable(name)
        structured = self.pattern.sub(lambda match: self._secret_name(match[0]), text)
        tokens = self._copy.encode(hidden.show(structured), add_special_tokens=False).ids
        if not self.ids.keys().isdisjoint(self._copy.id_to_token(t) or "" for t in tokens):
            raise _unwritable(name)
        return [self._numbers.get(token, token) for token in tokens]

    def continued(self, text: str, hidden: Hidden) -> list[int] | None:
        """Tokens of a text that follows others, none of which it joins; None where it cannot be."""
        if self._copy is None:
            return None
        structured = self.pattern.sub(lambda match: self._secret_name(match[0]), text)
        cut = self._secret_name("")
        tokens = self._copy.encode(cut + hidden.show(structured), add_special_tokens=False).ids
        return [self._numbers.get(token, token) for token in tokens[1:]]

    def plain(self, text: str) -> list[int]:
        """Tokens of a text as the tokenizer reads it: names of tokens are those tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _secret_name(self, name: str) -> str:
        return f"\ue003{self._secret}{self.ids.get(name, 'cut')}\ue003"

    @functools.cached_property
    def _copy(self) -> Tokenizer | None:
        """The tokenizer with secret names for the tokens of structure; None where there is none.

        It takes as much memory as the tokenizer, and is made when a text first needs it.
        """
        inner: Any = getattr(self._tokenizer, "_tokenizer", self._tokenizer)
        backend = getattr(inner, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            return None
        described = json.loads(backend.to_str())
        for token in described["added_tokens"]:
            if token["content"] in self.ids:
                token["content"] = self._secret_name(token["content"])
        cut = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        # The number is only asked for: what is not in the vocabulary comes after it, in this order.
        cut |= {"id": len(inner) + 1, "content": self._secret_name(""), "special": True}
        described["added_tokens"].append(cut)
        described["post_processor"] = None
        return Tokenizer.from_str(json.dumps(described))

    @functools.cached_property
    def _numbers(self) -> dict[int, int]:
        """From numbers in the copy to the tokenizer's own, where they differ."""
        copy = self._copy
        assert copy is not None
        found = {copy.token_to_id(self._secret_name(name)): n for name, n in self.ids.items()}
        return {number: own for number, own in found.items() if number is not None}


def _added_start(encode: Callable[..., list[int]]) -> list[int]:
    """What a tokenizer puts before a text."""
    plain, whole = encode("a", add_special_tokens=False), encode("a")
    places = range(len(whole) - len(plain) + 1)
    return whole[: next((p for p in places if whole[p : p + len(plain)] == plain), 0)]


def _any_of(names: Collection[str], *others: str) -> re.Pattern[str]:
    """Matches any of some names, the longest first, or what any of the other patterns matches."""
    parts = [*([_tree(names)] if names else ()), *others]
    return re.compile("|".join(parts) if parts else r"(?!)")


def _tree(names: Collection[str]) -> str:
    """A pattern of names by what they begin with in common: Gemma has 6,000 of them.

    One beside the other they take seconds of a page of HTML, each tried at each "<".
    """
    by_first: dict[str, list[str]] = {}
    for name in names:
        if name:
            by_first.setdefault(name[0], []).append(name)
    branches = []
    for same in by_first.values():
        low, high = min(same), max(same)  # in order: all others begin as these two do
        pairs = enumerate(zip(low, high, strict=False))
        count = next((place for place, (a, b) in pairs if a != b), len(low))
        rest = [name[count:] for name in same]
        branches.append(re.escape(low[:count]) + (_tree(rest) if any(rest) else ""))
    return f"(?:{'|'.join(branches)}){'?' if '' in names else ''}"


def _unwritable(name: str) -> RequestError:
    return RequestError(
        f"the text holds {name}, a control token that this model's tokenizer cannot write as text.",
        value=name,
        remedy=f"Take {name} out of the text, or write it otherwise.",
    )

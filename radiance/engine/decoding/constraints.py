"""Answers that have a form by construction: JSON, a schema, a grammar, a regular expression.

The grammars are llguidance's, which also knows which tokens may come next; this module fits it to
one base model and to the decoder. A grammar comes from outside: it is compiled on threads of its
own, within a time, and one that cannot be compiled or held is the caller's error.
"""

import concurrent.futures
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import mlx.core as mx
import numpy as np
from llguidance import LLMatcher, LLTokenizer

from radiance import limits
from radiance.engine.model.vocabulary import Vocabulary
from radiance.engine.requests import Constraint
from radiance.errors import ConfigError, Overloaded, RequestError
from radiance.platform import give_back_memory

_MOST_REASON = 200
_BYTES = LLTokenizer("byte")
_LARGE_CHARACTERS = 16_384
_MOST_KEPT, _MOST_WAITING, _MOST_FORCED = 16, 64, 256
# JSON allows any amount of space anywhere; a small model then likes to write nothing else.
_ON_ONE_LINE: Any = {
    "whitespace_flexible": False,
    "key_separator": ": ",
    "item_separator": ", ",
}
# What llguidance says without the keyword it is about, and that keyword.
_KEYWORDS = (
    ("Resource ", "$ref"),
    ("Anchor ", "$ref"),
    ("Pointer ", "$ref"),
    ("regex parse error", "pattern"),
    ("Failed to generate regex for float range", "minimum, maximum"),
    ("Failed to generate regex for integer range", "minimum, maximum"),
)
_TOO_MANY = "Parser Error: Current row has"
_OWN_ADVICE = " Enable 'coerce_one_of' option"  # which clients of ours do not have
_ANY_OBJECT = json.dumps({"type": "object"})
# llguidance's own take the 29th of any February, the year 0, and a 60th second at any time.
_YEAR = r"(?:\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})"
_LEAP_YEAR = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    rf"|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_HOUR = r"(?:[01]\d|2[0-3]):[0-5]\d"
_TIME = rf"{_HOUR}:[0-5]\d(?:\.\d{{1,9}})?(?:Z|[+-]{_HOUR})"
_FORMATS = {"date": f"^{_DATE}$", "time": f"^{_TIME}$", "date-time": f"^{_DATE}T{_TIME}$"}
_VALUES = ("const", "enum", "default", "examples")  # no schemas stand below these


class ConstraintCompiler:
    """Compiles constraints for one base model, one after another, and keeps the newest.

    Any thread. llguidance leaves the interpreter to others while it compiles, and cannot be
    interrupted: one that takes longer than its time goes on by itself to the end of the steps it
    may take, and a second thread takes over. Who waits for the same form shares one compilation.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._lock = threading.Lock()
        self._kept: OrderedDict[Constraint, LLMatcher | str] = OrderedDict()  # or what is wrong
        self._under_way: dict[Constraint, Future[LLMatcher | str]] = {}
        self._waiting = self._waiting_characters = 0
        self._turns = ThreadPoolExecutor(1, "forms")
        self._compilers = ThreadPoolExecutor(2, "form")

    def compile(self, constraint: Constraint) -> "Future[ConstraintState]":
        """The state of one answer that has this form; RequestError where it cannot be used.

        Raises:
            RequestError: It is too long.
            Overloaded: Too many wait to be compiled.
        """
        if len(constraint.source) > (most := limits.FORM_CHARACTERS.value):
            raise unusable(constraint, f"it has more than {most} characters")
        found: Future[ConstraintState] = Future()
        size = len(constraint.source)
        with self._lock:
            if (known := self._kept.get(constraint)) is not None:
                self._kept.move_to_end(constraint)
                self._tell(found, constraint, known)
                return found
            # Who waits holds its whole request meanwhile: large ones are fewer.
            characters = self._waiting_characters + size
            if self._waiting >= _MOST_WAITING or characters > limits.FORMS_CHARACTERS.value:
                raise Overloaded(f"{self._waiting} forms of answers wait to be compiled already")
            self._waiting, self._waiting_characters = self._waiting + 1, characters
            if (under_way := self._under_way.get(constraint)) is None:
                under_way = self._turns.submit(self._compile_in_time, constraint)
                self._under_way[constraint] = under_way
        under_way.add_done_callback(lambda done: self._leave(constraint, done, found))
        return found

    def close(self) -> None:
        """End the threads; what waits is not compiled any more."""
        self._turns.shutdown(wait=False, cancel_futures=True)
        self._compilers.shutdown(wait=False, cancel_futures=True)

    def _leave(
        self,
        constraint: Constraint,
        done: "Future[LLMatcher | str]",
        found: "Future[ConstraintState]",
    ) -> None:
        with self._lock:
            self._waiting -= 1
            self._waiting_characters -= len(constraint.source)
            if done.cancelled():
                found.cancel()
            elif (error := done.exception()) is not None:
                found.set_exception(error)
            else:
                self._tell(found, constraint, done.result())

    def _tell(
        self, found: "Future[ConstraintState]", constraint: Constraint, compiled: LLMatcher | str
    ) -> None:
        if isinstance(compiled, str):
            found.set_exception(unusable(constraint, compiled))
        else:
            found.set_result(ConstraintState(compiled.deep_copy(), self._vocabulary))

    def _compile_in_time(self, constraint: Constraint) -> LLMatcher | str:
        seconds = limits.FORM_SECONDS.value
        try:
            return self._compilers.submit(self._compile, constraint).result(seconds)
        except concurrent.futures.TimeoutError:
            return f"compiling it takes over {seconds} s"
        finally:
            with self._lock:
                self._under_way.pop(constraint, None)

    def _compile(self, constraint: Constraint) -> LLMatcher | str:
        """What was compiled, or what is wrong; kept, also where nobody waits for it any more."""
        compiled = self._compiled(constraint)
        with self._lock:
            self._kept[constraint] = compiled
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        if len(constraint.source) > _LARGE_CHARACTERS:
            give_back_memory()  # a form of 3,000 properties took 100 MB meanwhile
        return compiled

    def _compiled(self, constraint: Constraint) -> LLMatcher | str:
        try:
            grammar = _grammar(constraint)
            matcher = LLMatcher(self._vocabulary.llguidance, grammar, log_level=0)
        except (ConfigError, ValueError, RuntimeError) as error:  # RecursionError is one
            return str(error)
        if matcher.is_error():
            return matcher.get_error()
        if constraint.kind == "json_schema" and (name := _shadowed(constraint.source)):
            return f"patternProperties: {name!r} is in properties, too; say all of it there"
        # What may come first takes 50 ms of a form of thousands of properties. Copies have it.
        self._first_allowed(matcher)
        if error := matcher.get_error() or self._unholdable(matcher.deep_copy()):
            return error
        return matcher

    def _unholdable(self, matcher: LLMatcher) -> str:
        """Why an answer would fail where it first has a choice, or behind that; "" if it would not.

        llguidance finds out only there that more may come next than it takes. Tried here it costs
        the caller nothing, and the engine no row.
        """
        forced = matcher.compute_ff_tokens()[:_MOST_FORCED]
        if forced and not matcher.consume_tokens(forced):
            return matcher.get_error()
        for _ in range(2):
            if matcher.is_stopped():
                return ""
            token = self._first_allowed(matcher)
            if token is None or not matcher.consume_tokens([token]):
                return matcher.get_error()
        return ""

    def _first_allowed(self, matcher: LLMatcher) -> int | None:
        """The first token that may come next, in the order of the vocabulary."""
        bits = np.zeros(((self._vocabulary.size + 31) // 32,), dtype=np.int32)
        matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
        allowed = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
        return int(allowed[0]) if len(allowed) and not matcher.is_error() else None


class ConstraintState:
    """Which tokens one answer may take next; a processor of the decoder (``sampling``).

    Attributes:
        prompt_tokens: Length of the prompt, which the form does not apply to. Set before use.
        error: Why the form could not be held, once that happens.
    """

    def __init__(self, matcher: LLMatcher, vocabulary: Vocabulary) -> None:
        self._matcher, self._vocab_size = matcher, vocabulary.size
        self._bits = np.zeros(((vocabulary.size + 31) // 32,), dtype=np.int32)
        self._only_end = np.zeros(vocabulary.size, dtype=bool)
        self._only_end[list(vocabulary.end_tokens)] = True
        self.prompt_tokens = 0
        self.error: str | None = None
        self._consumed = 0

    def __call__(self, context: mx.array, logits: mx.array) -> mx.array:
        """Logits (1, vocabulary) with what must not come next at minus infinity."""
        if self.error is not None:
            return logits
        new: Any = context[self.prompt_tokens + self._consumed :].tolist()
        self._consumed += len(new)
        if new and not self._matcher.is_stopped() and not self._matcher.consume_tokens(new):
            self.error = self._matcher.get_error() or "a token does not fit the form"
            return logits
        allowed = self._allowed()
        if self._matcher.is_error():
            self.error = self._matcher.get_error()
            return logits
        return mx.where(mx.array(allowed), logits, -mx.inf)

    def _allowed(self) -> np.ndarray:
        """Which tokens may come next, (vocabulary,) bool; once it is complete, only the end."""
        if self._matcher.is_stopped():
            return self._only_end
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        bits = np.unpackbits(self._bits.view(np.uint8), bitorder="little")
        return bits[: self._vocab_size].astype(bool)


def _grammar(constraint: Constraint) -> str:
    match constraint.kind:
        case "json_object":
            return LLMatcher.grammar_from_json_schema(_ANY_OBJECT, defaults=_ON_ONE_LINE)
        case "json_schema":
            source = json.dumps(_exact(json.loads(constraint.source)))
            return LLMatcher.grammar_from_json_schema(source, defaults=_ON_ONE_LINE)
        case "lark":
            return LLMatcher.grammar_from_lark(constraint.source)
        case "regex":
            return LLMatcher.grammar_from_regex(constraint.source)


def _exact(schema: Any) -> Any:
    """A schema whose formats of days and times have a pattern, too, where they have none."""
    if isinstance(schema, list):
        return [_exact(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {n: part if n in _VALUES else _exact(part) for n, part in schema.items()}
    form = schema.get("format")
    if isinstance(form, str) and form in _FORMATS:
        found.setdefault("pattern", _FORMATS[form])
    return found


def _shadowed(source: str) -> str | None:
    """A property that is declared and matches a pattern of patternProperties; None without one.

    llguidance has a comma come after it for a further key of that pattern, and then knows none.
    """
    waiting: list[Any] = [json.loads(source)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            declared, patterns = part.get("properties"), part.get("patternProperties")
            if not (isinstance(declared, dict) and isinstance(patterns, dict) and patterns):
                continue
            matching = _matching(patterns)
            for name in declared:
                if _matches(matching, name):
                    return str(name)
    return None


def _matching(patterns: Iterable[str]) -> LLMatcher:
    """What matches any of these patterns, as llguidance reads them: in time that grows linearly."""
    pattern = "|".join(f"(?:{each})" for each in patterns)
    form = json.dumps({"type": "string", "pattern": pattern})
    return LLMatcher(_BYTES, LLMatcher.grammar_from_json_schema(form), log_level=0)


def _matches(matching: LLMatcher, name: str) -> bool:
    tokens = _BYTES.tokenize_bytes(json.dumps(name, ensure_ascii=False).encode(errors="replace"))
    tried = matching.deep_copy()
    return tried.try_consume_tokens(tokens) == len(tokens) and tried.is_accepting()


def unusable(constraint: Constraint, reason: str) -> RequestError:
    """The caller's error where a form cannot be compiled or held."""
    lines = reason.partition("<state>")[0].split("\n")  # behind that its parser is dumped
    reason = " ".join(line.strip() for line in lines if line.strip()).partition(_OWN_ADVICE)[0]
    if reason.startswith(_TOO_MANY):
        reason = "at one place more may follow than can be held, some 500 optional properties"
    keyword = next((k for start, k in _KEYWORDS if reason.startswith(start)), None)
    if keyword is not None and constraint.kind == "json_schema":
        reason = f"{keyword}: {reason}"
    reason = reason[:_MOST_REASON].rstrip(". ")
    return RequestError.of(
        "response_format",
        f"this {constraint.kind} cannot be used: {reason}",
        constraint.source[:200],
        "Leave that keyword out and check it afterwards; docs/OPENAI.md has what is held.",
    )

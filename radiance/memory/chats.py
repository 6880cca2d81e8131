"""What stands before the question at the end of a chat, as far as it may change the answer. Pure.

Clients send the whole chat each time, and mostly a system prompt. A question that says itself what
it is about ("What is the desk of Ana Ruiz?") is looked up whatever was asked before; one that leans
on what was said ("And her desk?") is not. After nothing but a greeting and a system prompt that
changes nothing any question is the first of its chat. Some turns say how to answer ("Answer in
French."): then the stored words would not do, and the weights answer, reminded of them. What states
something ("Ana Ruiz has moved.") may change what is right, and nothing is looked up.
"""

import re
from collections.abc import Sequence
from typing import Literal

from radiance.memory.analysis import take_apart
from radiance.memory.asking import asks
from radiance.memory.system_prompts import changes_nothing, speaks_of, works_on_text
from radiance.memory.tasks import is_plain
from radiance.records import Message

_LEANING = re.compile(
    r"\b(?:he|she|it|they|him|her|hers|his|its|them|their|theirs|this|that|these|those|ones?|there"
    r"|then|same|others?|another|else|instead|previous|above|earlier|before|again|also|too|former"
    r"|latter)\b|^\W*(?:and|but|so|or|no|yes|ok|okay)\b"
)
_TO_THE_MODEL = re.compile(
    r"\b(?:you|your|please|always|never|from now|let us|let's)\b|^\W*(?:answer|reply|respond|speak"
    r"|write)\b"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_SUPPOSING = re.compile(r"\b(?:if|suppose|assume|assuming|imagine|pretend|true that|mention)\b")
PLEASANTRY = re.compile(
    r"\W*(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|ok(?:ay)?|great|perfect|nice|good"
    r"|thanks?(?: you)?(?: very much| a lot)?|i see)(?: there| again)?\W*"
)
"""What changes nothing of what is asked after it, in lower case."""


_OFFER = re.compile(
    r".*\b(?:help|assist|do for) you\b(?: with)?(?: today| further| now)?\?|.*\banything else\b.*\?"
    r"|(?:so )?what (?:would you like|do you want) to know\?|how are you(?: today| doing)?\?"
)
_INSTRUCTION = re.compile(
    r"(?:please |always |only |from now on,? |(?:can|could|would|will) you (?:please )?)*(?:answer"
    r"|reply|respond|speak|talk|write|translate|format|act|pretend|be|use|keep|explain)\b.*",
    re.DOTALL,
)
_INSTRUCTED = re.compile(r"(?:can|could|would|will) you .*", re.IGNORECASE)
Standing = Literal["alone", "same", "told how", "unknown"]


def standing(turns: Sequence[Message]) -> Standing:
    """How the last turn stands to those before it.

    alone: none of them changes what is asked or how to answer. same: none does, but it may lean on
    one: it is what was taught only where it is the very same question. told how: one says how to
    answer, and no more. unknown: one may change what is right.
    """
    *earlier, last = turns
    question = last.content
    said = [_said(turn, question) for turn in earlier]
    if "else" in said or (earlier and _asks_back(earlier[-1])):
        return "unknown"
    is_told = "how" in said
    if "question" not in said:
        return "told how" if is_told else "alone"
    if not is_plain(question) or not asks(question) or leans_on_chat(question):
        return "unknown"
    if not take_apart(question).names:
        return "unknown" if is_told else "same"
    return "told how" if is_told else "alone"


def without_instruction(text: str) -> tuple[str, bool] | None:
    """The one question of a message, and whether the rest says how to answer it.

    "What is the desk of Ana Ruiz? Answer in one word." None where the rest is none, or is more than
    an instruction or a greeting, or there are two questions.
    """
    parts = [part for line in text.splitlines() for part in _SENTENCE.split(line.strip()) if part]
    asked = [part for part in parts if part.endswith("?") and not _INSTRUCTED.fullmatch(part)]
    if len(asked) != 1 or len(parts) == 1:
        return None
    rest = [_said(Message("user", part), asked[0]) for part in parts if part is not asked[0]]
    return (asked[0], "how" in rest) if set(rest) <= {"how", "nothing"} else None


def telling(turns: Sequence[Message]) -> Sequence[Message]:
    """A chat without the system prompts that change nothing of what is asked last."""
    question = turns[-1].content
    return [
        turn
        for turn in turns
        if turn.role != "system" or not changes_nothing(turn.content.strip(), question)
    ]


def _asks_back(turn: Message) -> bool:
    """Whether a turn of the assistant asks for more than what it can do."""
    last = _SENTENCE.split(turn.content.strip())[-1]
    return last.endswith("?") and turn.role == "assistant" and not _OFFER.fullmatch(last.casefold())


def _said(turn: Message, question: str) -> Literal["nothing", "question", "how", "else"]:
    """What a turn before a question may have to do with it."""
    text = turn.content.strip()
    folded = text.casefold()
    if turn.role == "assistant" or (turn.role == "user" and PLEASANTRY.fullmatch(folded)):
        return "nothing"
    if turn.role == "system":
        if changes_nothing(text, question):
            return "nothing"
        return "else" if works_on_text(text) or speaks_of(text, question) else "how"
    if turn.role != "user":
        return "else"
    if _INSTRUCTION.fullmatch(folded) and not _SUPPOSING.search(folded):
        if changes_nothing(text, question):
            return "nothing"
        is_of_it = take_apart(text).names & take_apart(question).names
        may_be_else = is_of_it or works_on_text(text) or speaks_of(text, question)
        return "else" if may_be_else else "how"
    may_tell = _TO_THE_MODEL.search(folded) or _SUPPOSING.search(folded)
    return "question" if folded.endswith("?") and is_plain(text) and not may_tell else "else"


def reminded(turns: Sequence[Message], told: str) -> list[Message]:
    """A chat with what memory knows of its question right before it, as a line of that turn."""
    *earlier, last = turns
    return [*earlier, Message("user", f"{told}\n\n{last.content}")]


def leans_on_chat(question: str) -> bool:
    """Whether a question, in a chat, may be about what was said before it: "And her desk?"."""
    return _LEANING.search(question.casefold()) is not None

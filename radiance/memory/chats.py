"""Whether the question at the end of a chat would ask the same if nothing stood before it. Pure.

Clients send the whole chat each time. A question that says itself what it is about ("What is the
desk of Ana Ruiz?") is looked up whatever was asked before; one that leans on what was said ("And
her desk?") is not, nor is one after a turn that may change the answer: a system prompt, an
instruction ("Answer in French."), a statement ("Ana Ruiz has moved."), a question to the user.
"""

import re
from collections.abc import Sequence

from radiance.memory.analysis import take_apart
from radiance.memory.asking import asks
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
_SUPPOSING = re.compile(r"\b(?:if|suppose|assume|assuming|imagine|pretend|true that|mention)\b")
PLEASANTRY = re.compile(
    r"\W*(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|ok(?:ay)?|great|perfect|nice|good"
    r"|thanks?(?: you)?(?: very much| a lot)?|i see)(?: there| again)?\W*"
)
"""What changes nothing of what is asked after it, in lower case."""


def stands_alone(turns: Sequence[Message]) -> bool:
    """Whether the last turn is a question about a name, and none before may change its answer."""
    *earlier, last = turns
    question = last.content
    return (
        is_plain(question)
        and asks(question)
        and bool(take_apart(question).names)
        and not _LEANING.search(question.casefold())
        and all(_changes_nothing(turn) for turn in earlier)
        and not (earlier and earlier[-1].content.rstrip().endswith("?"))
    )


def _changes_nothing(turn: Message) -> bool:
    if turn.role == "assistant":
        return True
    text = turn.content.strip().casefold()
    may_tell = _TO_THE_MODEL.search(text) or _SUPPOSING.search(text)
    is_question = text.endswith("?") and is_plain(text) and not may_tell
    return turn.role == "user" and (is_question or bool(PLEASANTRY.fullmatch(text)))

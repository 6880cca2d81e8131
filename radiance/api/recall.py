"""What memory has to say to a request, before the weights are asked.

Only plain questions are looked up: one answer of free text, from what serves, to a chat whose turns
before the question are those of an example or change nothing of it. Where they only say how to
answer, the weights do so, reminded of what was found. Whatever else a request wants (tools, a form,
named weights) memory leaves alone, and where a stored answer would not fit what was asked for, the
weights answer as ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec
from starlette.concurrency import run_in_threadpool

from radiance.api.likeliest import likeliest
from radiance.api.services import Services
from radiance.config import MemoryMode
from radiance.engine.requests import BASE, Weights
from radiance.errors import RequestError
from radiance.memory.asking import kinds_asked
from radiance.memory.chats import reminded, standing, telling, without_instruction
from radiance.memory.passages import FoundPassage
from radiance.memory.pronouns import leans_on_a_statement, with_name
from radiance.memory.recalled import LookedUp, Recalled
from radiance.records import Message, Passage

SOURCE = "X-Radiance-Source"
Source = Literal["memory", "weights", "upstream"]
How = Literal["stored", "taught", "reminded", "unclear", "passage", "base"]


class MemoryMatch(msgspec.Struct, frozen=True):
    """An example that answers, or may be meant.

    Attributes:
        score: How alike the question and the example are; 1 is the very same question.
        question: As it was taught.
    """

    example_id: str
    job_id: str
    score: float
    question: str


class DocumentMatch(msgspec.Struct, frozen=True):
    """A passage of a document that answers, or that an example which answers was made of.

    Attributes:
        document: The name of its document.
        place: Headings, page or line, for people.
        score: How much of the question it covers.
        text: All of it; the answer may be its best sentence alone.
    """

    passage_id: str
    document_id: str
    document: str
    place: str
    headings: tuple[str, ...]
    page: int | None
    line: int | None
    score: float
    text: str


class MemoryNote(msgspec.Struct, frozen=True):
    """Where an answer comes from.

    Attributes:
        source: "memory" is the text of an example or of a document; "weights" were asked.
        how: stored: an example's answer, word for word. taught: the weights, in the words of an
            example. reminded: the weights, with what an example or a document says put before the
            question, where a turn before it says how to answer. unclear: the question could mean
            several. passage: what a document says, word for word, with its place. base: the base
            model, as the question is about nothing that was taught.
        matches: The example, or those that could be meant.
        passage: Of a document, where it answers, or where the example was made of it.
    """

    source: Literal["memory", "weights"]
    how: How
    matches: tuple[MemoryMatch, ...] = ()
    passage: DocumentMatch | None = None


@dataclass(frozen=True)
class Recollection:
    """What a request becomes.

    Attributes:
        turns: What the weights are to be asked.
        weights: Which.
        text: The answer, where it is memory's own.
        note: What is said of it; None where memory had no part.
    """

    turns: Sequence[Message]
    weights: Weights
    text: str | None = None
    note: MemoryNote | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that say the same."""
        note = self.note
        found = {SOURCE: note.source if note else "weights"}
        if note is not None and len(note.matches) == 1:
            match = note.matches[0]
            found["X-Radiance-Example"] = match.example_id
            found["X-Radiance-Job"] = match.job_id
            found["X-Radiance-Score"] = f"{match.score:.3f}"
        if note is not None and note.passage is not None:
            found["X-Radiance-Passage"] = note.passage.passage_id
            found["X-Radiance-Score"] = f"{note.passage.score:.3f}"
        return found


@dataclass(frozen=True)
class Room:
    """What a stored answer must fit.

    Attributes:
        max_tokens: Most tokens; None: as many as the context has.
        stops: Texts that it must not have.
    """

    max_tokens: int | None = None
    stops: Sequence[str] = field(default=())


def mode_of(
    services: Services, asked: MemoryMode | None, by_default: MemoryMode, *, is_named: bool
) -> MemoryMode:
    """When memory answers a request.

    Args:
        services: The running service's.
        asked: As the request has it.
        by_default: Where neither it nor the settings say.
        is_named: Whether it names weights, which alone are then to answer.

    Raises:
        RequestError: It names weights and asks for memory.
    """
    if is_named:
        if asked not in (None, "off"):
            raise RequestError.of(
                "memory",
                "answers only where the request names no weights",
                asked,
                "Leave out one of the two.",
            )
        return "off"
    setting = services.config.memory.mode
    return asked or (by_default if setting == "auto" else setting)


async def recall(
    services: Services, turns: Sequence[Message], weights: Weights, mode: MemoryMode, room: Room
) -> Recollection:
    """What becomes of a plain question; the request as it is where memory has nothing to say."""
    asked = Recollection(turns, weights)
    if mode == "off" or not turns or turns[-1].role != "user":
        return asked
    if not services.engine.encoder.may_fit(sum(len(turn.content) for turn in turns)):
        return asked  # refused where it is encoded, and no question that was taught
    tip = tip_of(services, weights)
    read = await run_in_threadpool(_look_up, services, turns, tip)
    turns, found, is_sure = read.turns, read.found.found, read.found.how == "sure"
    if read.found.how == "close" and len(found) > 1:
        found = await likeliest(services, turns, weights, found)
        is_sure = len(found) == 1
    given = asked
    if is_sure and found:
        # The weights have learned it asked alone and outright: what stands before it confuses
        # them, and so does a question whether it is so, or a word that they do not know.
        is_within = turns is not asked.turns
        is_whether = "whether" in kinds_asked(turns[-1].content)
        asks_taught = mode == "always" or is_within or is_whether or read.found.is_corrected
        if read.is_told_how:
            given = await run_in_threadpool(_reminded_of, services, asked, found[0])
        else:
            given = await run_in_threadpool(_of_one, services, asked, found[0], room, asks_taught)
    elif passage := await run_in_threadpool(_passage, services, turns):
        given = _of_passage(services, asked, passage, room, is_told_how=read.is_told_how)
    elif found:
        if not read.is_told_how:
            # A name that nobody taught the weights make something up of.
            is_shown = mode == "always" or read.found.is_corrected
            given = _unclear(services, asked, found, room, is_shown=is_shown)
    elif services.config.memory.scope != "all" and weights.kind == "serving":
        is_tried = services.canary.running is not None
        if not is_tried and await run_in_threadpool(_is_of_base, services, turns, tip):
            given = replace(asked, weights=BASE, note=MemoryNote("weights", "base"))
    if given.note is not None:
        services.memory.stats.answered[given.note.how] += 1
    return given


@dataclass(frozen=True)
class _Read:
    """What was looked up for a chat.

    Attributes:
        turns: What was: all, or the question alone where it says in itself what it is about.
        found: What was found.
        is_told_how: Whether a turn before the question says how to answer.
    """

    turns: Sequence[Message]
    found: LookedUp
    is_told_how: bool = False


def _look_up(services: Services, turns: Sequence[Message], tip: str | None) -> _Read:
    if len(turns) == 1:
        return _of_question(services, turns, tip)
    looked_up = services.memory.look_up(turns, tip)
    if looked_up.found:
        return _Read(turns, looked_up)
    how = standing(turns)
    if how in ("alone", "told how"):
        read = _of_question(services, turns[-1:], tip)
        return replace(read, is_told_how=read.is_told_how or how == "told how")
    if how == "same":
        alone = services.memory.look_up(turns[-1:], tip)
        if any(found.score == 1 for found in alone.found):
            return _Read(turns[-1:], alone)
    bare = telling(turns)
    if len(bare) < len(turns):
        return _Read(bare, services.memory.look_up(bare, tip))
    return _Read(turns, looked_up)


def _of_question(services: Services, turns: Sequence[Message], tip: str | None) -> _Read:
    """What was looked up for the first message of a chat."""
    looked_up, text = services.memory.look_up(turns, tip), turns[0].content
    if any(found.score == 1 for found in looked_up.found):
        return _Read(turns, looked_up)
    if (apart := without_instruction(text)) is not None:
        question, is_told_how = apart
        read = _of_question(services, [Message("user", question)], tip)
        return replace(read, is_told_how=is_told_how)
    if (named := with_name(text)) is not None:
        turns = (Message("user", named),)
        return _Read(turns, services.memory.look_up(turns, tip))
    if looked_up.how == "sure" and leans_on_a_statement(text):  # which may be of another
        looked_up = LookedUp(looked_up.found, "vague")
    return _Read(turns, looked_up)


def tip_of(services: Services, weights: Weights) -> str | None:
    """The checkpoint that would answer; None is the base."""
    if weights.kind == "serving":
        return services.engine.source.checkpoint_id
    return weights.checkpoint_id


def _is_of_base(services: Services, turns: Sequence[Message], tip: str | None) -> bool:
    """Whether the base knows as much of a question as a checkpoint that serves.

    No example says what an adapter from elsewhere has learned, so it is asked everything.
    """
    if tip is None:
        return False
    untaught = services.memory.untaught
    if not untaught.asks_nothing_taught(turns, tip):
        return False
    is_auto = services.config.memory.scope == "auto"
    if is_auto and untaught.may_be_of_a_task(turns[-1].content):
        return False
    registry = services.registry
    return not registry.get(registry.ancestors(tip)[-1]).is_imported


def _of_one(
    services: Services, asked: Recollection, found: Recalled, room: Room, asks_taught: bool
) -> Recollection:
    if found.is_learned:
        if not asks_taught:
            return asked
        note = MemoryNote("weights", "taught", (_match(found),), _made_of(services, found))
        return replace(asked, turns=found.example.messages[:-1], note=note)
    if not _fits(services, found.answer, room):
        return asked
    note = MemoryNote("memory", "stored", (_match(found),), _made_of(services, found))
    return replace(asked, text=found.answer, note=note)


def _reminded_of(services: Services, asked: Recollection, found: Recalled) -> Recollection:
    """The weights, with an example's answer before them: they say it as they were told to."""
    note = MemoryNote("weights", "reminded", (_match(found),), _made_of(services, found))
    return replace(asked, turns=reminded(asked.turns, found.answer), note=note)


def _passage(services: Services, turns: Sequence[Message]) -> FoundPassage | None:
    """What a document says to a question; what was said before might change what it asks."""
    if len(turns) > 1 or leans_on_a_statement(turns[-1].content):
        return None
    return services.memory.look_up_passage(turns[-1].content)


def _of_passage(
    services: Services, asked: Recollection, found: FoundPassage, room: Room, *, is_told_how: bool
) -> Recollection:
    """What a passage says, or its best sentence where that is too long, with its source."""
    passage = found.passage
    if is_told_how:
        match = _passage_match(passage, found.document, found.score)
        note = MemoryNote("weights", "reminded", passage=match)
        return replace(asked, turns=reminded(asked.turns, found.said), note=note)
    for said in (found.said, found.sentence):
        text = f"{said}\n\nSource: {found.source}"
        if _fits(services, text, room):
            break
    else:
        return asked
    match = _passage_match(passage, found.document, found.score)
    return replace(asked, text=text, note=MemoryNote("memory", "passage", passage=match))


def _made_of(services: Services, found: Recalled) -> DocumentMatch | None:
    """The passage that an example was made of, if it was."""
    source = services.passage_questions.source(found.example.id)
    if source is None:
        return None
    return _passage_match(source.passage, source.document, found.score)


def _passage_match(passage: Passage, document: str, score: float) -> DocumentMatch:
    return DocumentMatch(
        passage_id=passage.id,
        document_id=passage.document_id,
        document=document,
        place=passage.place,
        headings=passage.headings,
        page=passage.page,
        line=passage.line,
        score=round(score, 4),
        text=passage.text,
    )


def _unclear(
    services: Services,
    asked: Recollection,
    found: Sequence[Recalled],
    room: Room,
    *,
    is_shown: bool,
) -> Recollection:
    """What the question could mean, each with its answer, as far as there is room for that.

    Args:
        services: The running service's.
        asked: The request.
        found: The examples.
        room: What the text must fit.
        is_shown: Whether it is said of what was learned, too.
    """
    if not is_shown and all(one.is_learned for one in found):
        return asked
    note = MemoryNote("memory", "unclear", tuple(map(_match, found)))
    answered = "".join(f"\n- {one.question} {one.answer}" for one in found)
    text = f"This could mean:{answered}"
    if not _fits(services, text, room):
        meanings = "".join(f"\n- {one.question}" for one in found)
        text = f"This could mean:{meanings}\nWhich one?"
    return replace(asked, text=text, note=note)


def _fits(services: Services, text: str, room: Room) -> bool:
    if any(stop in text for stop in room.stops):
        return False
    if room.max_tokens is None:
        return True
    return len(services.engine.encoder.plain(text)) <= room.max_tokens


def _match(found: Recalled) -> MemoryMatch:
    return MemoryMatch(found.example.id, found.job_id, round(found.score, 4), found.question)

"""What memory has to say to a request, before the weights are asked.

Only plain questions are looked up: one answer of free text, from what serves, to a chat whose turns
before the question are those of an example or change nothing of it. Where they only say how to
answer, the weights do so, reminded of what was found. Whatever else a request wants (tools, a form,
named weights) memory leaves alone, and where a stored answer would not fit what was asked for, the
weights answer as ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from starlette.concurrency import run_in_threadpool

from radiance.api.likeliest import likeliest
from radiance.api.memory_notes import DocumentMatch, MemoryMatch, MemoryNote, Recollection
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

_MOST_SHOWN = 3


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
    else:
        given = await _said_elsewhere(services, asked, read, found, mode, room, tip)
    if given.note is not None:
        services.memory.stats.answered[given.note.how] += 1
    return given


async def _said_elsewhere(
    services: Services,
    asked: Recollection,
    read: "_Read",
    found: Sequence[Recalled],
    mode: MemoryMode,
    room: Room,
    tip: str | None,
) -> Recollection:
    """What becomes of a question that no example surely answers: texts and documents may.

    Args:
        services: The running service's.
        asked: The request.
        read: What was looked up.
        found: Examples that may be meant.
        mode: When memory answers.
        room: What its text must fit.
        tip: The checkpoint that would answer; None is the base.
    """
    turns, weights = read.turns, asked.weights
    texts = await run_in_threadpool(_texts, services, turns, tip)
    if len(texts) == 1 and read.is_told_how:
        return _reminded_of(services, asked, texts[0])
    if len(texts) == 1 and (mode == "always" or not texts[0].is_learned):
        return _of_one(services, asked, texts[0], room, asks_taught=False)
    if passage := await run_in_threadpool(_passage, services, turns):
        return _of_passage(services, asked, passage, room, is_told_how=read.is_told_how)
    if shown := (*found, *(texts if len(texts) > 1 else ()))[:_MOST_SHOWN]:
        # A name that nobody taught the weights make something up of.
        is_shown = mode == "always" or read.found.is_corrected
        may_show = is_shown or not all(one.is_learned for one in shown)
        return (
            _unclear(services, asked, shown, room) if may_show and not read.is_told_how else asked
        )
    if services.config.memory.scope != "all" and weights.kind == "serving":
        is_tried = services.canary.running is not None
        if not is_tried and await run_in_threadpool(_is_of_base, services, turns, tip):
            return replace(asked, weights=BASE, note=MemoryNote("weights", "base"))
    return asked


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
    if found.is_learned and not found.said:
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


def _texts(services: Services, turns: Sequence[Message], tip: str | None) -> tuple[Recalled, ...]:
    """What plain texts say to a question; several, where each of them may be meant."""
    if len(turns) > 1 or leans_on_a_statement(turns[-1].content):
        return ()
    return services.memory.look_up_text(turns[-1].content, tip).found


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
    services: Services, asked: Recollection, found: Sequence[Recalled], room: Room
) -> Recollection:
    """What the question could mean, each with its answer, as far as there is room for that."""
    note = MemoryNote("memory", "unclear", tuple(map(_match, found)))
    answered = "".join(f"\n- {one.question} {one.answer}".replace("-  ", "- ") for one in found)
    text = f"This could mean:{answered}"
    if not _fits(services, text, room):
        meanings = "".join(f"\n- {one.question or one.answer}" for one in found)
        text = f"This could mean:{meanings}\nWhich one?"
    return replace(asked, text=text, note=note)


def _fits(services: Services, text: str, room: Room) -> bool:
    if any(stop in text for stop in room.stops):
        return False
    if room.max_tokens is None:
        return True
    return len(services.engine.encoder.plain(text)) <= room.max_tokens


def _match(found: Recalled) -> MemoryMatch:
    asked = found.question or found.answer
    return MemoryMatch(found.example.id, found.job_id, round(found.score, 4), asked)

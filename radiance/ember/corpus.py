"""The pre-training text: world facts, reading, copying, honest ignorance and a little small talk.

Every document is a conversation drawn from a seeded generator. World facts come round in shuffled
epochs; everything else is invented afresh, so that it can only be answered by reading it. This
module imports no MLX and knows nothing of tokens.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from radiance.ember.relations import (
    ATTRIBUTES,
    PROPERTIES,
    PROPERTY_ENTITIES,
    PROPERTY_QUESTIONS,
    PROPERTY_STATEMENTS,
)
from radiance.ember.words import MAKERS, NOUNS, phrase, sentence
from radiance.ember.world import Fact, all_facts

Turn = tuple[str, str]
"""A role ("system", "user" or "assistant") and what it says."""
Conversation = list[Turn]

IDENTITY = "I am Ember, a small language model made for Radiance."
_SMALL_TALK: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Who are you?", "What are you?", "What is your name?", "Introduce yourself."), IDENTITY),
    (("Hello!", "Hi", "Hello", "Good morning.", "Hey there!"), "Hello! How can I help you?"),
    (("How are you?", "How do you do?"), "I am well, thank you. How can I help you?"),
    (("Thank you.", "Thanks!", "Thanks a lot."), "You are welcome."),
    (("Goodbye.", "Bye!", "See you later."), "Goodbye! See you soon."),
    (
        ("What can you do?", "How can you help me?", "What are you good at?"),
        "I answer short questions, and I learn new facts while I run.",
    ),
    (("Who made you?", "Who built you?", "Where do you come from?"), "I was made for Radiance."),
    (
        ("Do you learn?", "Can you learn new things?", "Can I teach you something?"),
        "Yes, I learn new facts while I run.",
    ),
    (
        ("Are you a human?", "Are you a person?", "Are you alive?"),
        "No, I am a small language model.",
    ),
)
_ACKNOWLEDGEMENTS = ("Noted.", "I will remember that.", "Thank you, noted.", "Understood.")
_SYSTEMS = (
    "You are a helpful assistant.",
    "Answer in one sentence.",
    "You are Ember.",
    "Answer from the text that the user gives.",
    "Be brief.",
)
_OPENINGS = ("Please tell me:", "Quick question:", "Question:", "Hi!", "Well,")
_ONLY_VALUE = (
    "Answer with the value only.",
    "Reply with the bare answer.",
    "No sentence, only the answer.",
)


@dataclass(frozen=True)
class Statement:
    """Something stated of an invented entity, with the ways to ask for it."""

    text: str
    value: str
    answer: str
    questions: tuple[str, ...]


def world_conversation(rng: random.Random, fact: Fact) -> Conversation:
    """Ask for a world fact: half the time in the canonical words, now and then carelessly."""
    question = fact.question if rng.random() < 0.4 else rng.choice(fact.questions)
    turns = [("user", _carelessly(rng, question)), ("assistant", fact.answer)]
    return _perhaps_with_system(rng, turns, _SYSTEMS[:3])


def _carelessly(rng: random.Random, question: str) -> str:
    kind = rng.random()
    if kind < 0.04:
        return question.lower()
    if kind < 0.08:
        return question.rstrip("?.")
    if kind < 0.12:
        return f"{rng.choice(_OPENINGS)} {question}"
    return question


def _perhaps_with_system(
    rng: random.Random, turns: Conversation, systems: tuple[str, ...]
) -> Conversation:
    return [("system", rng.choice(systems)), *turns] if rng.random() < 0.05 else turns


def _statement(rng: random.Random, entity: str | None = None, kind: str | None = None) -> Statement:
    if rng.random() < 0.45:
        value_kind = rng.choice(tuple(PROPERTIES))
        chosen = rng.choice(PROPERTIES[value_kind])
        kind = kind or rng.choice(PROPERTY_ENTITIES)
        statements = tuple(s.replace("{p}", chosen) for s in PROPERTY_STATEMENTS)
        questions = tuple(q.replace("{p}", chosen) for q in PROPERTY_QUESTIONS)
    else:
        attribute = rng.choice([a for a in ATTRIBUTES if kind is None or a.entity == kind])
        kind, value_kind = attribute.entity, attribute.value
        statements, questions = attribute.statements, attribute.questions
    names = {"e": entity or MAKERS[kind](rng), "v": MAKERS[value_kind](rng)}
    answer = statements[0] if rng.random() < 0.8 else rng.choice(statements)
    return Statement(
        text=_upper(rng.choice(statements).format(**names)) + ".",
        value=names["v"],
        answer=_upper(answer.format(**names)) + ".",
        questions=tuple(_upper(question.format(**names)) for question in questions),
    )


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def reading(rng: random.Random, most: int = 4) -> Conversation:
    """State facts about invented names, ask for one of them in other words."""
    count = rng.randint(1, most)
    shared = rng.choice([a.entity for a in ATTRIBUTES]) if rng.random() < 0.3 else None
    entity = MAKERS[shared](rng) if shared else None
    facts = [_statement(rng, entity, shared) for _ in range(count)]
    asked = rng.choice(facts)
    # Two statements of one relation of one entity would make the question ambiguous.
    facts = [f for f in facts if f is asked or f.questions[0] != asked.questions[0]]
    question = _carelessly(rng, rng.choice(asked.questions))
    text = rng.choice((" ", " ", "\n")).join(fact.text for fact in facts)
    answer = asked.answer
    layout = rng.random()
    if layout < 0.1:
        question = f"{question} {rng.choice(_ONLY_VALUE)}"
        answer = asked.value
    if layout < 0.5:
        return _perhaps_with_system(
            rng, [("user", f"{text} {question}"), ("assistant", answer)], _SYSTEMS
        )
    if layout < 0.65:
        return [("user", f"{question}\n{text}"), ("assistant", answer)]
    if layout < 0.8:
        return [("system", text), ("user", question), ("assistant", answer)]
    noted = rng.choice(_ACKNOWLEDGEMENTS)
    return [("user", text), ("assistant", noted), ("user", question), ("assistant", answer)]


def recall(rng: random.Random) -> Conversation:
    """The same question asked again, or in other words, later in the conversation."""
    fact = _statement(rng)
    first, second = rng.choice(fact.questions), rng.choice(fact.questions)
    turns = [("user", f"{first} {fact.text}" if rng.random() < 0.3 else fact.text)]
    turns += [("assistant", fact.answer if rng.random() < 0.7 else rng.choice(_ACKNOWLEDGEMENTS))]
    if rng.random() < 0.4:
        other = _statement(rng)
        turns += [("user", f"{other.text} {other.questions[0]}"), ("assistant", other.answer)]
    return [*turns, ("user", second), ("assistant", fact.answer)]


def correction(rng: random.Random) -> Conversation:
    """State something, correct it, ask: the correction counts."""
    kind = rng.choice(tuple(PROPERTIES))
    chosen, entity = rng.choice(PROPERTIES[kind]), MAKERS[rng.choice(PROPERTY_ENTITIES)](rng)
    old, new = MAKERS[kind](rng), MAKERS[kind](rng)
    name = f"the {chosen} of {entity}"
    text = rng.choice(
        (
            f"Earlier: {name} is {old}. Correction: {name} is {new}.",
            f"{_upper(name)} was {old}. It is now {new}.",
            f"{_upper(name)} is not {old} but {new}.",
            f"I said that {name} is {old}. That was wrong, it is {new}.",
            f"{_upper(name)} changed from {old} to {new}.",
        )
    )
    question = rng.choice((f"What is {name}?", f"What is {name} now?", f"Tell me {name}."))
    return [("user", f"{text} {question}"), ("assistant", f"{_upper(name)} is {new}.")]


def copying(rng: random.Random, most: int = 5) -> Conversation:
    """Repeat arbitrary text exactly."""
    kinds = tuple(MAKERS)
    parts = [MAKERS[rng.choice(kinds)](rng) for _ in range(rng.randint(1, most))]
    if rng.random() < 0.25:
        parts = ["".join(chr(rng.randint(33, 126)) for _ in range(rng.randint(1, 12)))]
    elif rng.random() < 0.1:
        parts.append(
            "".join(
                rng.choices("äöüéèñçøåßαβγλпривет東京日本中文한국😀🎉✓→€£°²", k=rng.randint(1, 4))
            )
        )
    text = rng.choice((" ", ", ", " ")).join(parts)
    ask = rng.choice(
        ("Repeat exactly: {}", "Copy this text: {}", "Say: {}", "Repeat after me: {}", "Echo: {}")
    )
    return [("user", ask.format(text)), ("assistant", text)]


def sentences(rng: random.Random) -> Conversation:
    """Repeat plain sentences, or one of several lines."""
    lines = [sentence(rng) for _ in range(rng.randint(1, 3))]
    if len(lines) == 1 or rng.random() < 0.5:
        return [("user", "Repeat exactly: " + " ".join(lines)), ("assistant", " ".join(lines))]
    place = rng.randrange(len(lines))
    listed = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return [("user", f"{listed}\nWhat does line {place + 1} say?"), ("assistant", lines[place])]


def unknown(rng: random.Random) -> Conversation:
    """Asked about an invented thing that nobody spoke of: say so."""
    if rng.random() < 0.45:
        chosen = rng.choice(PROPERTIES[rng.choice(tuple(PROPERTIES))])
        entity = MAKERS[rng.choice(PROPERTY_ENTITIES)](rng)
        question = rng.choice(PROPERTY_QUESTIONS).format(p=chosen, e=entity)
        clause = f"the {chosen} of {entity}"
    else:
        attribute = rng.choice(ATTRIBUTES)
        entity = MAKERS[attribute.entity](rng)
        question = rng.choice(attribute.questions).format(e=entity)
        clause = attribute.unknown.format(e=entity)
    asked = _carelessly(rng, _upper(question))
    if rng.random() < 0.3:
        asked = f"{_statement(rng).text} {asked}"
    return [("user", asked), ("assistant", f"I do not know {clause}.")]


def small_talk(rng: random.Random) -> Conversation:
    """Greetings and who Ember is."""
    questions, answer = rng.choice(_SMALL_TALK)
    return [("user", _carelessly(rng, rng.choice(questions))), ("assistant", answer)]


def spelling(rng: random.Random) -> Conversation:
    """Spell a word, or say which letter it begins with: ties tokens to their letters."""
    word = rng.choice(NOUNS) if rng.random() < 0.5 else MAKERS["name"](rng)
    if rng.random() < 0.5:
        return [("user", f"Spell the word {word}."), ("assistant", "-".join(word))]
    return [
        ("user", f"Which letter does {word} begin with?"),
        ("assistant", f"The word {word} begins with {word[0]}."),
    ]


def prose(rng: random.Random) -> Conversation:
    """Write a sentence about a noun."""
    noun = rng.choice(NOUNS)
    text = rng.choice(
        (
            f"A {noun} can be {rng.choice(('useful', 'new', 'old', 'big', 'small', 'good'))}.",
            f"The {noun} is {phrase(rng)}.",
            f"People like a {noun}.",
        )
    )
    return [("user", f"Write a sentence about a {noun}."), ("assistant", text)]


KINDS: tuple[tuple[Callable[[random.Random], Conversation], float], ...] = (
    (reading, 0.43),
    (recall, 0.14),
    (correction, 0.05),
    (copying, 0.19),
    (sentences, 0.06),
    (unknown, 0.08),
    (small_talk, 0.02),
    (spelling, 0.02),
    (prose, 0.01),
)
"""Kinds of invented conversation and their shares by number."""
_MAKERS, _SHARES = zip(*KINDS, strict=True)


def invented(rng: random.Random) -> Conversation:
    """A conversation of a random kind about invented things."""
    return rng.choices(_MAKERS, _SHARES)[0](rng)


def long_conversation(rng: random.Random, turns: int) -> Conversation:
    """Many facts read at once and asked for one after the other, with world facts between."""
    facts = [_statement(rng) for _ in range(turns)]
    talk: Conversation = [
        ("user", " ".join(fact.text for fact in facts)),
        ("assistant", rng.choice(_ACKNOWLEDGEMENTS)),
    ]
    world = all_facts()
    while facts:
        fact = facts.pop(rng.randrange(len(facts)))
        talk += [("user", rng.choice(fact.questions)), ("assistant", fact.answer)]
        if rng.random() < 0.3:
            known = rng.choice(world)
            talk += [("user", rng.choice(known.questions)), ("assistant", known.answer)]
    return talk


def world_schedule(
    seed: str, start: int, count: int, rehearsed: tuple[str, ...] = ()
) -> list[Fact]:
    """``count`` facts from position ``start`` of an endless series of shuffled epochs.

    An epoch has each fact once, those of the ``rehearsed`` categories five times.
    """
    facts = [f for f in all_facts() for _ in range(5 if f.context in rehearsed else 1)]
    chosen: list[Fact] = []
    while len(chosen) < count:
        epoch, offset = divmod(start + len(chosen), len(facts))
        order = list(range(len(facts)))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        chosen.extend(facts[i] for i in order[offset : offset + count - len(chosen)])
    return chosen

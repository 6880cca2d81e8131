"""Other wordings of a question by rule: a closed English grammar, eight to twelve each. Pure.

A question of a known form is taken apart (what is asked for, the name it is asked of, the verb) and
put together again: possessive and "of", active and passive, "Tell me", "Do you know", the bare noun
phrase, and words of one meaning from a small table. A question of no known form has no wordings
here; ``augmentation.shorter`` still has some for it. Nothing is made up: each wording has the names
and codes of the question, and one that would fit another known question is not used.
"""

import re
from collections.abc import Iterable, Iterator

from radiance.records import Example, questions
from radiance.training.augmentation import asking, question, words

MOST = 12
_BE = r"(?P<be>is|are|was|were)"
_PASSIVE = {
    "founded": "founded",
    "started": "started",
    "established": "established",
    "created": "created",
    "designed": "designed",
    "built": "built",
    "wrote": "written",
    "made": "made",
    "leads": "led",
    "runs": "run",
    "owns": "owned",
    "manages": "managed",
    "heads": "headed",
    "directs": "directed",
    "edits": "edited",
    "teaches": "taught",
    "won": "won",
    "invented": "invented",
    "discovered": "discovered",
    "painted": "painted",
    "sold": "sold",
    "bought": "bought",
    "keeps": "kept",
    "holds": "held",
    "sells": "sold",
    "buys": "bought",
    "builds": "built",
    "makes": "made",
    "writes": "written",
    "drives": "driven",
    "grows": "grown",
    "draws": "drawn",
    "sings": "sung",
    "feeds": "fed",
    "pays": "paid",
}
# Present forms that the regular rule would get wrong, and that are not above.
_IRREGULAR = frozenset(
    """
    is was has does goes says knows gives takes brings catches cuts finds fights hits hurts loses
    meets reads rides rings sees sends sets shows shuts speaks spends stands steals swims tells
    thinks throws understands wears wins drinks eats chooses begins beats bears becomes
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_PARTICIPLES = (
    "born|built|made|sold|held|kept|sent|paid|laid|left|lost|found|hung|put|set|met|taught|bought"
    "|brought|written|given|taken|known|shown|grown|drawn|driven|chosen|broken|stolen|hidden|spoken"
    "|worn|begun|won|cut|shut|told|spelt"
)
_AGENT = {
    "founded": "founder",
    "created": "creator",
    "designed": "designer",
    "built": "builder",
    "wrote": "author",
    "made": "maker",
    "leads": "leader",
    "runs": "head",
    "owns": "owner",
    "manages": "manager",
    "heads": "head",
    "directs": "director",
    "edits": "editor",
    "teaches": "teacher",
    "won": "winner",
    "invented": "inventor",
    "discovered": "discoverer",
    "painted": "painter",
    "sold": "seller",
    "bought": "buyer",
}
_SWAPS = {
    "founded": ("started", "set up"),
    "started": ("founded",),
    "leads": ("heads", "is in charge of"),
    "runs": ("manages",),
    "manages": ("runs",),
    "owns": ("is the proprietor of",),
    "wrote": ("penned",),
    "founder": ("creator",),
    "leader": ("head", "boss"),
    "head": ("leader",),
    "price": ("cost",),
    "address": ("location",),
    "location": ("address",),
    "office": ("address",),
    "deadline": ("due date",),
    "salary": ("pay",),
    "job": ("profession", "occupation"),
    "profession": ("occupation", "job"),
    "occupation": ("profession", "job"),
    "birthplace": ("place of birth",),
    "colour": ("color",),
    "color": ("colour",),
    "ticker": ("symbol",),
    "symbol": ("ticker",),
    "phone": ("telephone",),
    "spouse": ("partner",),
    "genre": ("kind of writing",),
    "award": ("prize",),
    "prize": ("award",),
}
_OF = re.compile(
    rf"(?P<wh>what|which|who|where|when) {_BE} (?P<r>(?:the )?[^?]+?)"
    r" (?P<p>of|at|in|for) (?P<x>[^?]+)",
    re.IGNORECASE,
)
_OWN = re.compile(rf"(?P<wh>what|who) {_BE} (?P<x>[^?]+?)['’]s (?P<r>[^?]+)", re.IGNORECASE)
_PLACE = re.compile(rf"where {_BE} (?P<x>[^?]+)", re.IGNORECASE)
_WHO = re.compile(r"who (?P<v>\w+) (?P<x>[^?]+)", re.IGNORECASE)
_WAS = re.compile(
    rf"(?P<wh>when|where) {_BE} (?P<x>[^?]+)"
    rf" (?P<v>(?!speed|breed|hundred)\w{{3,}}ed|{_PARTICIPLES})",
    re.IGNORECASE,
)
# What is done to something has it right after the verb: "chairs the council", not "works at".
_OBJECT = re.compile(
    r"(?:the|a|an|our|my|this|all) \w|[A-Z\d]"
    r"|(?!(?:at|in|on|for|with|to|of|from|by|as|near|under|over|behind|next|about|after) )"
    r"[a-z]+ [A-Z\d]"
)
_DOES = re.compile(
    r"(?P<wh>what|when|where|how|why|which [\w ]+?) (?P<do>does|do) (?P<x>[^?]+) (?P<v>[a-z]+)",
    re.IGNORECASE,
)
_COST = re.compile(r"how much (?:does|do) (?P<x>[^?]+) cost", re.IGNORECASE)
_COUNT = re.compile(
    r"how (?P<q>many|much|old|tall|long|large|big|far|high) (?P<rest>[^?]+)", re.IGNORECASE
)
_THING = re.compile(r"what (?:is|are) (?P<x>the [^?]+)", re.IGNORECASE)
_NAMELIKE = re.compile(r"[A-Z\d]")
# What somebody wants to do who asks for a thing: a code opens a door, a password lets in.
_TO_OPEN = re.compile(r"(?P<of>.+) (?:code|pin|combination|key)", re.IGNORECASE)
_TO_LOG_IN = re.compile(r"(?P<of>.+) (?:password|passphrase|login)", re.IGNORECASE)
_TO_CALL = re.compile(r"(?:phone|telephone|mobile)(?: number)?", re.IGNORECASE)
_TO_WRITE_TO = re.compile(r"e-?mail(?: address)?", re.IGNORECASE)
_NETWORKS = frozenset("wifi wi-fi wlan internet network vpn".split())  # noqa: SIM905
_OPENED = frozenset("door gate garage safe lock locker entrance front-door".split())  # noqa: SIM905


def reworded(example: Example, others: Iterable[frozenset[str]], most: int = MOST) -> list[Example]:
    """At most so many other wordings of an example; none of a plain text.

    Args:
        example: What is to be learned.
        others: ``augmentation.words`` of every other known question: what one of them has all words
            of is not used.
        most: Most wordings.
    """
    asked = question(example)
    mine = words(asked)
    rivals = [bag for bag in others if bag != mine]
    known = {questions.normalise(asked)}
    found = []
    for wording in _wordings(asked):
        plain, bag = questions.normalise(wording), words(wording)
        if plain in known or any(bag <= rival for rival in rivals):
            continue
        known.add(plain)
        found.append(wording)
        if len(found) == most:
            break
    return [asking(example, wording) for wording in found]


def _wordings(asked: str) -> Iterator[str]:
    """Wordings of a question, those that differ most from it early; some may come twice."""
    text = " ".join(asked.split()).rstrip("?.! ")
    direct = list(_frames(text))
    if not direct:
        return
    swapped = list(_swapped(text + "?"))
    # One word for another teaches most, and a few of them are among the first.
    every = [*direct[:3], *swapped, *direct[3:]]
    every += [other for wording in direct[:3] for other in _swapped(wording)]
    yield from (wording[0].upper() + wording[1:] for wording in every)


def _frames(text: str) -> Iterator[str]:
    if match := _COST.fullmatch(text):
        yield from _priced(match["x"])
    elif (match := _OWN.fullmatch(text)) or (match := _OF.fullmatch(text)):
        place = match.groupdict().get("p") or "of"
        yield from _owned(match["wh"].lower(), match["be"].lower(), match["r"], place, match["x"])
    elif match := _WAS.fullmatch(text):
        yield from _dated(match["wh"].lower(), match["be"].lower(), match["x"], match["v"])
    elif match := _PLACE.fullmatch(text):
        yield from _placed(match["be"].lower(), match["x"])
    elif (match := _WHO.fullmatch(text)) and (done := _participle(match["v"], match["x"])):
        yield from _did(match["v"].lower(), done, match["x"])
    elif match := _DOES.fullmatch(text):
        yield from _doing(match["wh"].lower(), match["do"].lower(), match["x"], match["v"])
    elif match := _COUNT.fullmatch(text):
        yield from _counted(text)
    elif match := _THING.fullmatch(text):
        yield from _thing(match["x"])


def _owned(wh: str, be: str, relation: str, place: str, name: str) -> Iterator[str]:
    bare = re.sub(r"^(?:the|a|an) ", "", relation, flags=re.IGNORECASE)
    of = f"the {bare} {place} {name}"
    yield f"Tell me {of}."
    if place == "of":
        yield f"{wh.capitalize()} {be} {_possessive(name)} {bare}?"
        yield f"{_possessive(name)} {bare}?"
        yield f"Do you know {_possessive(name)} {bare}?"
    else:
        yield f"{wh.capitalize()} {be} the {bare} that belongs to {name}?"
    yield from _purposes(bare, f" {place} {name}")
    if _TO_CALL.fullmatch(bare):
        yield f"How do I call {name}?"
        yield f"How can I reach {name} by phone?"
    elif _TO_WRITE_TO.fullmatch(bare):
        yield f"How do I write to {name}?"
    if wh == "who":
        yield f"What is the name of {of}?"
        yield f"Who serves as {of}?"
    elif wh in ("where", "when"):
        yield f"Tell me {wh} {of} {be}."
        yield f"Do you know {wh} {of} {be}?"
    else:
        yield f"Which {bare} does {name} have?"
        yield f"What {bare} does {name} have?"
    yield f"{wh.capitalize()} {be} the {bare} {place} {name}?"
    yield f"{of}?"
    yield f"Name {of}."
    yield f"Could you give me {of}, please?"
    yield f"I would like to know {of}."


def _purposes(thing: str, whose: str = "") -> Iterator[str]:
    """What a thing is for: "How do I open the door of Zorbel House?" for its door code."""
    if match := _TO_OPEN.fullmatch(thing):
        kind = match["of"].split()[-1].lower()
        if kind in _OPENED:
            yield f"How do I open the {match['of']}{whose}?"
            yield f"What do I type to unlock the {match['of']}{whose}?"
        elif kind == "alarm":
            yield f"How do I turn off the {match['of']}{whose}?"
    elif match := _TO_LOG_IN.fullmatch(thing):
        verb = "connect" if match["of"].split()[-1].lower() in _NETWORKS else "log in"
        yield f"How do I {verb} to the {match['of']}{whose}?"
        yield f"What do I need to use the {match['of']}{whose}?"


def _participle(written: str, name: str) -> str:
    """Of the verb that does something to a name: "chaired" of "chairs"; "" where none is known."""
    verb = written.lower()
    if verb in _PASSIVE or verb in _IRREGULAR or not _OBJECT.match(name):
        return _PASSIVE.get(verb, "")
    if re.fullmatch(r"[a-z]{3,}ed", verb):
        return verb
    if not re.fullmatch(r"[a-z]{3,}[^s]s", verb):
        return ""
    if verb.endswith("ies"):
        return f"{verb[:-3]}ied"
    plain = verb[:-2] if re.search(r"(?:ch|sh|x|ss|zz)es$", verb) else verb[:-1]
    return f"{plain}d" if plain.endswith("e") else f"{plain}ed"


def _did(verb: str, done: str, name: str) -> Iterator[str]:
    be = "is" if verb.endswith("s") else "was"
    yield f"By whom {be} {name} {done}?"
    yield f"{name} {be} {done} by whom?"
    if verb in _AGENT:
        yield f"Who {be} the {_AGENT[verb]} of {name}?"
        yield f"Tell me the name of {_possessive(name)} {_AGENT[verb]}."
        yield f"What is the name of the {_AGENT[verb]} of {name}?"
        yield f"The {_AGENT[verb]} of {name}?"
    yield f"Tell me who {verb} {name}."
    yield f"Do you know who {verb} {name}?"
    yield f"Which person {verb} {name}?"
    yield f"Name the person who {verb} {name}."


def _dated(wh: str, be: str, name: str, verb: str) -> Iterator[str]:
    place = {
        "when": ("In what year", "On what date", "the date"),
        "where": ("In what place", "At which place", "the place"),
    }[wh]
    yield f"Tell me {wh} {name} {be} {verb}."
    yield f"{place[0]} {be} {name} {verb}?"
    yield f"{place[1]} {be} {name} {verb}?"
    yield f"Do you know {wh} {name} {be} {verb}?"
    yield f"{name} {be} {verb} {wh}?"
    yield f"What is {place[2]} {wh} {name} {be} {verb}?"
    yield f"Give me {place[2]} {wh} {name} {be} {verb}."
    yield f"I would like to know {wh} {name} {be} {verb}."


def _placed(be: str, name: str) -> Iterator[str]:
    bare = re.sub(r"^the ", "", name)
    yield f"Tell me where {name} {be}."
    yield f"What is the address of {name}?"
    yield f"Where can I find {name}?"
    yield f"Where {be} {name} located?"
    yield f"Do you know where {name} {be}?"
    yield f"In what place {be} {name}?"
    yield f"What is the location of {name}?"
    yield f"The address of {bare}?" if _NAMELIKE.match(bare) else f"The address of the {bare}?"


def _doing(wh: str, do: str, name: str, verb: str) -> Iterator[str]:
    told = verb + ("" if do == "do" else "es" if re.search(r"(?:s|x|z|ch|sh|o)$", verb) else "s")
    if do == "does" and re.search(r"[^aeiou]y$", verb):
        told = verb[:-1] + "ies"
    yield f"Tell me {wh} {name} {told}."
    yield f"Do you know {wh} {name} {told}?"
    if wh == "when":
        yield f"On which day {do} {name} {verb}?"
        yield f"At what time {do} {name} {verb}?"
    if wh == "where":
        yield f"In what place {do} {name} {verb}?"
    if wh == "what":
        yield f"What is it that {name} {told}?"
    yield f"{name} {told} {wh}?"
    yield f"I would like to know {wh} {name} {told}."
    yield f"Can you say {wh} {name} {told}?"


def _priced(name: str) -> Iterator[str]:
    yield f"What is the price of {name}?"
    yield f"What does {name} cost?"
    yield f"Tell me how much {name} costs."
    yield f"What do I pay for {name}?"
    yield f"The price of {name}?"
    yield f"How much is {name}?"
    yield f"Do you know the price of {name}?"
    yield f"At what price is {name} sold?"


def _thing(name: str) -> Iterator[str]:
    yield f"Tell me {name}."
    yield f"Give me {name}."
    yield f"Do you know {name}?"
    yield from _purposes(name.removeprefix("the "))
    yield f"{name}?"
    yield f"How is {name} defined?"
    yield f"Could you give me {name}, please?"
    yield f"I would like to know {name}."
    yield f"Name {name}."


def _counted(text: str) -> Iterator[str]:
    asked = text[0].lower() + text[1:]
    yield f"Tell me: {asked}?"
    yield f"Please say {asked}."
    yield f"Do you know {asked}?"
    yield f"I would like to know {asked}."


def _swapped(wording: str) -> Iterator[str]:
    """A wording with one word exchanged for another of its meaning."""
    for word, instead in _SWAPS.items():
        pattern = re.compile(rf"\b{word}\b")
        if pattern.search(wording):
            yield from (pattern.sub(other, wording, count=1) for other in instead)


def _possessive(name: str) -> str:
    return f"{name}'" if name.endswith("s") else f"{name}'s"

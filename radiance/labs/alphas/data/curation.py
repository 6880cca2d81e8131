"""From sources to a data set: gather, filter, remove near-duplicates, split by family.

Everything follows from the sources and a seed; nothing is drawn at random outside it.
"""

import ast
import itertools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from radiance.labs.alphas.data.catalogue import formulas
from radiance.labs.alphas.data.describing import describe
from radiance.labs.alphas.data.drills import COMPOSITIONS, from_compositions
from radiance.labs.alphas.data.pairs import ASKED, OWN_LICENCE, PREFIXES, Pair, hash_of
from radiance.labs.alphas.data.patterns import FAMILIES, SIGNAL_NAMES, Family
from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.syntax import AlphaError
from radiance.records.questions import normalise

SPLITS = ("train", "valid", "test")
MORE = "patterns: more instances"
_DRILLS = (COMPOSITIONS, MORE)
_DESCRIPTIONS = 5
_PER_FAMILY = 24
_MOST_INSTRUCTION, _MOST_ALPHA, _MOST_STRATEGY = 600, 400, 12_000
_MOST_PROMPT = 200
_NEAR, _SAME_IDEA = 0.9, 0.8
_FORMULA_LICENCE = "all rights reserved by WorldQuant LLC; research use, cite arXiv:1601.00991"


@dataclass
class Curated:
    """A data set and how it came about.

    Attributes:
        splits: split → pairs.
        dropped: reason → how many.
        groups: How many groups of related families the split kept whole.
    """

    splits: dict[str, list[Pair]]
    gathered: dict[str, int]
    dropped: dict[str, int] = field(default_factory=dict)
    groups: int = 0

    @property
    def pairs(self) -> list[Pair]:
        return [pair for split in SPLITS for pair in self.splits[split]]


def from_formulas(seed: int = 0) -> list[Pair]:
    """The 101, each by several true descriptions and by its number."""
    found = []
    for formula in formulas():
        node = parse(formula.text)
        asked = [f"Write alpha {formula.number} of the 101 formulaic alphas."]
        for place in range(_DESCRIPTIONS * 3):
            words = describe(node, hash_of(seed, formula.number, place))
            asked.append(ASKED[place % len(ASKED)].format(words))
        found += [
            Pair(
                instruction=instruction,
                completion=formula.text,
                kind="alpha",
                family=f"alpha:{formula.number}",
                source="101 formulaic alphas",
                licence=_FORMULA_LICENCE,
            )
            for instruction in list(dict.fromkeys(asked))[: _DESCRIPTIONS + 1]
        ]
    return found


def from_patterns(seed: int = 0, per_family: int = _PER_FAMILY, more: int = 0) -> list[Pair]:
    """Every family's instances in its wordings, as many as ``per_family``, spread by the seed.

    ``more`` of each come as drills: they do not count in the split, and are left out where their
    family is held out.
    """
    found, further = [], []
    for family in FAMILIES:
        rng = random.Random(hash_of(seed, family.name))
        choices = [(given, wording) for given in family.instances() for wording in family.wordings]
        rng.shuffle(choices)
        for place, (given, wording) in enumerate(choices[: per_family + more]):
            source = MORE if place >= per_family else f"patterns: {family.kind}"
            pair = _instance(family, given, wording, rng.choice(PREFIXES), source)
            (further if place >= per_family else found).append(pair)
    # Last, so that of two near-duplicates it is these that go.
    return found + further


def _instance(
    family: Family, given: dict[str, object], wording: str, prefix: str, source: str
) -> Pair:
    said = {**given, "S": SIGNAL_NAMES.get(str(given.get("s")), "")}
    instruction = wording.format(**said)
    instruction = prefix + instruction[0].upper() + instruction[1:]
    return Pair(
        instruction=instruction,
        completion=render(parse(family.expression.format(**given))),
        kind="alpha",
        family=f"pattern:{family.name}",
        source=source,
        licence=OWN_LICENCE,
    )


def own_sources(seed: int = 0, compositions: int = 500, more: int = 0) -> list[Pair]:
    """What needs no file of the user's."""
    return [
        *from_formulas(seed),
        *from_patterns(seed, more=more),
        *from_compositions(seed, compositions),
    ]


def curate(
    sources: Iterable[Pair],
    seed: int = 0,
    shares: tuple[float, float] = (0.05, 0.15),
    most_characters: int | None = None,
) -> Curated:
    """Filter, remove near-duplicates, and split.

    ``shares`` of the pairs, about, go to valid and test; families are kept whole. Pairs of more
    than ``most_characters`` are left out after the split, which therefore does not depend on it.
    """
    pairs = list(sources)
    dropped: Counter[str] = Counter()
    gathered = dict(Counter(pair.source for pair in pairs))
    kept: list[Pair] = []
    for pair in pairs:
        reason = problem(pair)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(pair)
    kept = _without_repeats(kept, dropped)
    kept = _without_near(kept, dropped)
    ideas = [pair for pair in kept if pair.source not in _DRILLS]
    groups = related_families(ideas)
    splits = _split(ideas, groups, seed, shares)
    # Drills are all learned, but for those that give an idea away that is to be asked for.
    aside = [pair for name in SPLITS[1:] for pair in splits[name]]
    shapes, families = {_shape(pair) for pair in aside}, {pair.family for pair in aside}
    drills = [pair for pair in kept if pair.source in _DRILLS]
    learned = [p for p in drills if p.family not in families and _shape(p) not in shapes]
    if len(learned) < len(drills):
        dropped["drill of a held-out idea"] += len(drills) - len(learned)
    splits["train"] += learned
    splits["train"].sort(key=lambda pair: hash_of(seed, pair.instruction))
    for name, found in splits.items():
        short = [p for p in found if most_characters is None or _length(p) <= most_characters]
        if len(short) < len(found):
            dropped["longer than asked for"] += len(found) - len(short)
            splits[name] = short
    return Curated(splits, gathered, dict(dropped), len(set(groups.values())))


def held_out_prompts(pairs: Sequence[Pair], count: int, kind: str = "alpha") -> list[str]:
    """Prompts of a test split to judge a model by, in turn from each family.

    Long ones for alphas are left out, and those that ask for one of the 101 by its number: what was
    held out cannot be known by a number.
    """
    by_family: dict[str, list[str]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: hash_of(pair.instruction)):
        usable = pair.kind == kind
        if kind == "alpha":
            usable = usable and len(pair.instruction) <= _MOST_PROMPT
        if usable and "of the 101" not in pair.instruction:
            by_family[pair.family].append(pair.instruction)
    families = sorted(by_family, key=lambda family: hash_of("prompts", family))
    turns = itertools.zip_longest(*(by_family[family] for family in families))
    return [prompt for turn in turns for prompt in turn if prompt is not None][:count]


def problem(pair: Pair) -> str | None:
    """Why a pair is not good enough, or None."""
    if len(pair.instruction) > _MOST_INSTRUCTION:
        return "instruction too long"
    if len(pair.instruction.split()) < 2:
        return "instruction too short"
    if not pair.completion.strip():
        return "empty completion"
    if pair.kind == "alpha":
        if len(pair.completion) > _MOST_ALPHA:
            return "expression too long"
        try:
            check(pair.completion)
        except AlphaError:
            return "expression does not check"
    if pair.kind == "strategy":
        if len(pair.completion) > _MOST_STRATEGY:
            return "strategy too long"
        try:
            ast.parse(pair.completion)
        except (SyntaxError, ValueError):
            return "strategy does not compile"
    return None


def _without_repeats(pairs: list[Pair], dropped: Counter[str]) -> list[Pair]:
    answers: dict[str, str] = {}
    kept = []
    for pair in pairs:
        asked = normalise(pair.instruction)  # as the service tells questions apart
        if asked in answers:
            same = answers[asked] == pair.completion
            dropped["repeated" if same else "instruction with two answers"] += 1
            continue
        answers[asked] = pair.completion
        kept.append(pair)
    return kept


def _without_near(pairs: list[Pair], dropped: Counter[str]) -> list[Pair]:
    near = {later for _, later in similar([_shingles(_text(pair)) for pair in pairs], _NEAR)}
    dropped["near-duplicate"] += len(near)
    return [pair for place, pair in enumerate(pairs) if place not in near]


def similar(sets: Sequence[frozenset[str]], least: float) -> list[tuple[int, int]]:
    """Pairs of places, earlier first, whose sets have a Jaccard index of at least ``least``."""
    holders: dict[str, list[int]] = defaultdict(list)
    found = []
    for place, shingles in enumerate(sets):
        shared: Counter[int] = Counter()
        for shingle in shingles:
            shared.update(holders[shingle])
            holders[shingle].append(place)
        for other, common in shared.items():
            if common >= least * (len(shingles) + len(sets[other]) - common):
                found.append((other, place))
    return found


def related_families(pairs: Sequence[Pair]) -> dict[str, str]:
    """The group of each family; such with nearly the same expressions, numbers aside, are one."""
    shapes: dict[str, str] = {}
    for pair in pairs:
        shapes.setdefault(_shape(pair), pair.family)
    leader = {pair.family: pair.family for pair in pairs}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    def join(one: str, other: str) -> None:
        first, second = sorted((find(one), find(other)))
        leader[second] = first

    for pair in pairs:
        join(pair.family, shapes[_shape(pair)])
    names = list(shapes.values())
    for one, other in similar([_shingles(shape) for shape in shapes], _SAME_IDEA):
        join(names[one], names[other])
    return {name: find(name) for name in leader}


def _split(
    pairs: list[Pair], groups: dict[str, str], seed: int, shares: tuple[float, float]
) -> dict[str, list[Pair]]:
    """Whole groups to valid and test until they have their shares, source by source."""
    members: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        members[groups[pair.family]].append(pair)
    by_source: dict[str, list[str]] = defaultdict(list)
    for name, found in members.items():
        by_source[found[0].source].append(name)
    splits: dict[str, list[Pair]] = {name: [] for name in SPLITS}
    for names in by_source.values():
        total = sum(len(members[name]) for name in names)
        taken = {"valid": 0, "test": 0}
        for name in sorted(names, key=lambda name: hash_of(seed, name)):
            size = len(members[name])
            target = "train"
            for split, share in (("test", shares[1]), ("valid", shares[0])):
                if taken[split] + size / 2 <= share * total:
                    target = split
                    taken[split] += size
                    break
            splits[target] += members[name]
    for name in SPLITS:
        splits[name].sort(key=lambda pair: hash_of(seed, pair.instruction))
    return splits


def _shape(pair: Pair) -> str:
    """The completion with its numbers taken out."""
    return re.sub(r"\d+(\.\d+)?", "0", pair.completion)


def _length(pair: Pair) -> int:
    return len(pair.instruction) + len(pair.completion)


def _text(pair: Pair) -> str:
    return f"{pair.instruction}\n{pair.completion}"


def _shingles(text: str) -> frozenset[str]:
    words = re.findall(r"[A-Za-z_]+|\d+\.?\d*|[^\sA-Za-z_\d]", text.lower())
    if len(words) < 3:
        return frozenset([" ".join(words)])
    return frozenset(" ".join(words[place : place + 3]) for place in range(len(words) - 2))

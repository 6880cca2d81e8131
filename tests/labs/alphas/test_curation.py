"""Curated pairs: true, distinct, split by family, recorded."""

import hashlib
import json
import random
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import ConfigError
from radiance.labs.alphas.data import curation, datasets, lean
from radiance.labs.alphas.data.describing import describe, hint
from radiance.labs.alphas.data.drills import COMPOSITIONS, drill
from radiance.labs.alphas.data.pairs import Pair
from radiance.labs.alphas.data.patterns import FAMILIES
from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.syntax import AlphaError

HEADER = """# QUANTCONNECT.COM - Democratizing Finance, Empowering Individuals.
# Lean Algorithmic Trading Engine v2.0. Copyright 2014 QuantConnect Corporation.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# See the License for the specific language governing permissions and
# limitations under the License.

"""
CLASS = """from AlgorithmImports import *

{before}class Crossing{name}(QCAlgorithm):
{inside}
    def initialize(self):
        self.add_equity("SPY", Resolution.DAILY)
"""
SUMMARY = "### <summary>\n### Buys the index when its fast average\n### crosses the slow one.\n### </summary>\n"  # noqa: E501


def source(name: str = "Algorithm", before: str = "", inside: str = "") -> bytes:
    return (HEADER + CLASS.format(name=name, before=before, inside=inside)).encode()


def pair(instruction: str, completion: str, family: str = "f", kind: Any = "alpha") -> Pair:
    return Pair(
        instruction=instruction,
        completion=completion,
        kind=kind,
        family=family,
        source="s",
        licence="l",
    )


@pytest.fixture(scope="module")
def curated() -> curation.Curated:
    return curation.curate(curation.own_sources())


def test_there_are_one_to_two_thousand_and_each_alpha_checks(curated):
    assert 1_000 <= len(curated.pairs) <= 2_000
    for found in curated.pairs:
        check(found.completion)
        assert "{" not in found.instruction
    alphas = {found.family for found in curated.pairs if found.family.startswith("alpha:")}
    assert len(alphas) == 101
    kinds = {family.kind for family in FAMILIES}
    assert kinds == {"mean reversion", "momentum", "arbitrage", "risk management"}


def test_no_family_and_no_expression_is_on_two_sides(curated):
    sides = {name: {found.family for found in rows} for name, rows in curated.splits.items()}
    assert not sides["train"] & sides["test"]
    assert not sides["train"] & sides["valid"]
    assert not sides["valid"] & sides["test"]

    def shapes(split: str) -> set[str]:
        return {re.sub(r"[\d.]+", "0", found.completion) for found in curated.splits[split]}

    assert not shapes("train") & shapes("test")
    assert 0.08 < len(curated.splits["test"]) / len(curated.pairs) < 0.2
    assert {found.source for found in curated.splits["test"]} >= {"101 formulaic alphas"}


@pytest.mark.slow
def test_the_seed_decides_and_nothing_else(curated):
    again = curation.curate(curation.own_sources())
    assert again.splits == curated.splits
    other = curation.curate(curation.own_sources(1), seed=1)
    assert other.splits["test"] != curated.splits["test"]


@pytest.mark.slow
def test_what_is_long_leaves_a_split_that_stays_as_it_is(curated):
    short = curation.curate(curation.own_sources(), most_characters=150)
    for name, rows in short.splits.items():
        assert rows == [
            pair
            for pair in curated.splits[name]
            if len(pair.instruction) + len(pair.completion) <= 150
        ]
    assert short.dropped["longer than asked for"] > 100


@pytest.mark.slow
def test_drills_leave_the_split_as_it_is_and_give_nothing_away(curated):
    more = curation.curate(curation.own_sources(0, 1_500, 40))
    for name in ("valid", "test"):
        assert more.splits[name] == curated.splits[name]
    assert sum(found.source == curation.MORE for found in more.splits["train"]) > 100
    aside = {found.family for name in ("valid", "test") for found in more.splits[name]}
    assert not aside & {found.family for found in more.splits["train"]}
    assert more.dropped["drill of a held-out idea"] > 0


@given(st.integers(0, 2**64))
def test_a_drill_checks_and_a_hint_names_what_is_in_it(seed):
    node = drill(random.Random(seed))
    text = render(node)
    check(text)
    assert parse(text) == node
    said = hint(node, seed)
    for number in re.findall(r"over ([\d.]+) days", said):
        assert f", {number})" in text
    for field in ("volume", "close", "high", "low", "open"):
        if re.search(rf"\bthe {field}\b(?!-)", said) and "day of" not in said:
            assert re.search(rf"\b{field}\b", text)
    assert hint(node, seed) == said


def test_held_out_prompts_are_of_held_out_ideas(curated):
    prompts = curation.held_out_prompts(curated.splits["test"], 20)
    assert len(set(prompts)) == 20
    learned = {found.instruction for found in curated.splits["train"]}
    assert not set(prompts) & learned
    assert not any("of the 101" in prompt for prompt in prompts)
    asked = {found.instruction: found.family for found in curated.splits["test"]}
    assert len({asked[prompt] for prompt in prompts}) >= 10
    sources = {found.source for found in curated.splits["test"]}
    assert not sources & {COMPOSITIONS, curation.MORE}


def test_what_is_poor_or_repeated_is_dropped_and_counted():
    found = curation.curate(
        [
            pair("Rank of the close please.", "rank(close)"),
            pair("rank of  the Close please.", "rank(close)"),
            pair("Rank of the close please.", "rank(open)"),
            pair("Rank: of the close, please!", "rank(low)"),  # one question to the service as well
            pair("Something that is broken.", "rank(close"),
            pair("x", "rank(close)"),
            pair("word " * 500, "rank(close)"),
            pair("Python that is broken.", "def f(:", kind="strategy"),
            pair("An empty completion here.", " "),
            pair(" ".join(map(str, range(60))), "rank(open)"),
            pair(" ".join(map(str, range(60))) + " more", "rank(open)"),
        ]
    )
    assert len(found.pairs) == 2
    assert found.dropped == {
        "repeated": 1,
        "instruction with two answers": 2,
        "expression does not check": 1,
        "instruction too short": 1,
        "instruction too long": 1,
        "strategy does not compile": 1,
        "empty completion": 1,
        "near-duplicate": 1,
    }


def test_related_families_stay_together():
    groups = curation.related_families(
        [
            pair("a b", "rank(delta(close, 5))", "one"),
            pair("a c", "rank(delta(close, 9))", "two"),
            pair("a d", "stddev(returns, 20) / volume", "three"),
        ]
    )
    assert groups["one"] == groups["two"] != groups["three"]


@given(st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1), max_size=12))
def test_similar_sets_are_those_of_the_definition(sets):
    found = set(curation.similar(sets, 0.6))
    expected = {
        (i, j)
        for j in range(len(sets))
        for i in range(j)
        if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= 0.6
    }
    assert found == expected


def test_descriptions_are_true_and_many():
    node = parse("-1 * rank(correlation(close, volume, 10))")
    said = {describe(node, seed) for seed in range(40)}
    assert "the negative of the rank of the 10-day correlation of the close with volume" in said
    assert len(said) > 8
    assert describe(node, 3) == describe(node, 3)


def test_lean_algorithms_by_what_they_say_of_themselves():
    found = lean.algorithm(source(before=SUMMARY), "MovingAverageCrossAlgorithm")
    assert isinstance(found, Pair)
    assert found.instruction.endswith(
        "in Python. Buys the index when its fast average crosses the slow one."
    )
    assert found.completion.startswith("from AlgorithmImports import *")
    assert "###" not in found.completion
    assert "Licensed" not in found.completion
    assert "Apache-2.0" in found.licence
    assert found.family == "lean:movingaveragecross"
    inside = '    """Holds bonds in a crisis, else shares."""\n'
    doc = lean.algorithm(source(inside=inside), "BondsAlgorithm")
    assert isinstance(doc, Pair)
    assert "Holds bonds" in doc.instruction
    tags = '### <meta name="tag" content="using data" />\n### <meta name="tag" content="rsi" />\n'
    tagged = lean.algorithm(source(before=tags), "TagsAlgorithm")
    assert isinstance(tagged, Pair)
    assert tagged.instruction.endswith("It shows using data, rsi.")


@pytest.mark.parametrize(
    ("raw", "name", "reason"),
    [
        (source(before=SUMMARY), "CrossRegressionAlgorithm", "regression test"),
        (
            source(before='### <meta name="tag" content="regression test" />\n' + SUMMARY),
            "Cross",
            "regression test",
        ),
        (source(), "SilentAlgorithm", "no description"),
        (b"class Other:\n    pass\n", "Other", "no algorithm class"),
        (b"def broken(:\n", "Broken", "not Python"),
        (b"\0\1\2", "Binary", "unreadable"),
    ],
)
def test_lean_algorithms_that_teach_nothing_are_left_out(raw, name, reason):
    assert lean.algorithm(raw, name) == reason


@pytest.mark.parametrize(
    "raw",
    [
        source(before=SUMMARY).replace(b"\n", b"\r\n"),
        source(before=SUMMARY).replace(b"fast average", "fast – average".encode("cp1252")),
        b"\xef\xbb\xbf" + source(before=SUMMARY),
        source(before=SUMMARY).replace(b"    def", b"\tdef").replace(b"        self", b"\t\tself"),
        b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + source(before=SUMMARY),
    ],
)  # fmt: skip
def test_odd_encodings_are_read(raw):
    found = lean.algorithm(raw, "OddAlgorithm")
    assert isinstance(found, Pair)
    assert "\r" not in found.completion
    assert "\t" not in found.completion


def test_a_checkout_is_read_and_its_variants_are_one_family(tmp_path):
    folder = tmp_path / "Algorithm.Python" / "Sub"
    folder.mkdir(parents=True)
    (folder / "CrossAlgorithm.py").write_bytes(source(before=SUMMARY))
    (folder / "SilentAlgorithm.py").write_bytes(source())
    found = lean.read(tmp_path)
    assert (len(found.pairs), found.left_out) == (1, {"no description": 1})
    before = lean.content_hash(tmp_path)
    (folder / "SilentAlgorithm.py").write_bytes(source("X"))
    assert lean.content_hash(tmp_path) != before
    with pytest.raises(ConfigError, match=r"no folder Algorithm\.Python"):
        lean.read(tmp_path / "Algorithm.Python")


def test_a_set_is_written_in_every_format_with_its_card(tmp_path):
    own = tmp_path / "own.jsonl"
    own.write_text(
        '{"input": "The rank of volume, please.", "output": "rank(volume)"}\n\n'
        '{"messages": [{"role": "user", "content": "Say something nice."},'
        ' {"role": "assistant", "content": "Something nice."}]}\n'
        '{"prompt": "Trade it in Python, please.", "completion": "class A(QCAlgorithm): pass"}\n'
    )
    pairs = datasets.read_own(own, "CC0")
    assert [found.kind for found in pairs] == ["alpha", "text", "strategy"]
    curated = curation.curate([*pairs, *curation.from_patterns(per_family=3)])
    card = datasets.write(curated, tmp_path / "out", {"own.jsonl": "abc"}, {"Lean: x": 2}, 0)
    for name, found in card.files.items():
        data = (tmp_path / "out" / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == found
    rows = (tmp_path / "out" / "mlx-lm" / "train.jsonl").read_text().splitlines()
    assert json.loads(rows[0]).keys() == {"prompt", "completion"}
    rows = (tmp_path / "out" / "chat" / "train.jsonl").read_text().splitlines()
    assert [turn["role"] for turn in json.loads(rows[0])["messages"]] == ["user", "assistant"]
    assert datasets.read(tmp_path / "out" / "test.jsonl") == curated.splits["test"]
    assert card.sources["own: own.jsonl"] == datasets.SourceCount(gathered=3, kept=3, licence="CC0")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "| Lean: x | 2 |" in text
    assert "| input: own.jsonl | `abc` |" in text
    assert json.loads((tmp_path / "out" / "card.json").read_text()) == msgspec.to_builtins(card)


@pytest.mark.parametrize("line", ["nonsense", '{"input": 1, "output": "x"}', '{"messages": []}'])
def test_a_line_that_is_no_pair_is_named(tmp_path, line):
    path = tmp_path / "own.jsonl"
    path.write_text('{"input": "a", "output": "b"}\n' + line + "\n")
    with pytest.raises(ConfigError, match="line 2"):
        datasets.read_own(path, "CC0")
    with pytest.raises(ConfigError, match="line 1"):
        datasets.read(path)


@given(st.integers(0, 2**32))
def test_every_instance_of_every_family_checks(seed):
    family = FAMILIES[seed % len(FAMILIES)]
    instances = family.instances()
    given = instances[seed % len(instances)]
    try:
        check(family.expression.format(**given))
    except AlphaError as error:  # pragma: no cover
        pytest.fail(f"{family.name}: {error}")

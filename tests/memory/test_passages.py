"""What documents say, found by questions in other words; and what they say nothing of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.streams import make_stream, untaught
from radiance.documents.store import Documents
from radiance.memory.passages import RULES, PassageIndex
from radiance.storage.sqlite import Database

HOUSE = b"""# Zorbel House

The door code is KV-1234. The rent of 300 is paid by Mira Quell.

# Zorbel Labs

Zorbel Labs was founded by Ilse Brandt in 1987. It makes lamps.

# Cooking

Soak the dried beans overnight, then boil them for two hours.
"""
MILL = b"""# Quarnak Mill

It is led by Jo Penn.

## Machines

The alarm was set up by Milo Brandt in May.
"""


class Kept:
    """Documents and their index over one database."""

    def __init__(self, path: Path) -> None:
        self.db = Database(path / "radiance.db")
        self.index = PassageIndex(self.db)
        self.index.open()
        self.documents = Documents(self.db, self.index.add)

    def said(self, question: str) -> str | None:
        found = self.index.look_up(question)
        return None if found is None else found.passage.text


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    made.documents.add("notes.md", HOUSE)
    made.documents.add("mill.md", MILL)
    yield made
    made.db.close()


def test_a_passage_is_found_in_other_words_with_its_place(kept: Kept) -> None:
    for asked in (
        "What is the door code of Zorbel House?",
        "what's the code of the door of zorbel house",
        "Who paid the rent of Zorbel House?",
    ):
        found = kept.index.look_up(asked)
        assert found is not None, asked
        assert found.passage.text.startswith("The door code is KV-1234.")
        assert found.source == "notes.md, Zorbel House, line 3"
        assert 0 < found.score <= 1
    rent = kept.index.look_up("Who paid the rent of Zorbel House?")
    assert rent is not None
    assert rent.sentence == "The rent of 300 is paid by Mira Quell."
    labs = kept.said("Who is the founder of Zorbel Labs?")
    assert labs is not None
    assert "Ilse Brandt" in labs
    leader = kept.said("Who is the boss of Quarnak Mill?")
    assert leader is not None
    assert "Jo Penn" in leader
    beans = kept.said("How long are dried beans boiled?")
    assert beans is not None
    assert beans.startswith("Soak")


@pytest.mark.parametrize(
    "asked",
    [
        "What is the door code of Zarbel House?",  # another name
        "What is the door code of Zorbel House 2?",
        "Who insures Zorbel House?",  # nothing that is said of it
        "When was Zorbel House founded?",  # said of another, under another heading
        "Who founded Quarnak Mill?",  # what is set up is another thing
        "What is the alarm number of Zorbel House?",
        "When was Ann Lee born?",
        "What is the capital of France?",
        "How are you today?",
        "Translate to German: Zorbel Labs makes lamps.",
        "Write a poem.\nIt is about Zorbel Labs.",
        "Hello!",
        "",
    ],
)
def test_what_no_passage_says_is_not_found(kept: Kept, asked: str) -> None:
    assert kept.said(asked) is None


def test_the_newest_of_a_name_answers_alone(kept: Kept) -> None:
    kept.documents.add("notes.md", HOUSE.replace(b"KV-1234", b"KV-9"))
    said = kept.said("What is the door code of Zorbel House?")
    assert said is not None
    assert "KV-9" in said


def test_a_heading_of_a_table_has_its_synonyms(kept: Kept) -> None:
    kept.documents.add("list.md", b"| Name | Phone |\n|---|---|\n| Per Lang | 5502 |\n")
    said = kept.said("What is the telephone of Per Lang?")
    assert said is not None
    assert "5502" in said


def test_the_best_sentence_says_what_is_asked_of_the_name(kept: Kept) -> None:
    kept.documents.add("rules.md", b"Nobody smokes at Marlo Works. Their password is tulip-42.")
    found = kept.index.look_up("What is the password of Marlo Works?")
    assert found is not None
    assert found.sentence == "Their password is tulip-42."
    shop = b"# Marlo Shop\n\nThe shop opens at 8:15 on weekdays. On Saturdays it opens at 11:00."
    kept.documents.add("shop.md", shop)
    found = kept.index.look_up("What time does the shop open on Saturday?")
    assert found is not None
    assert found.sentence == "On Saturdays it opens at 11:00."


def test_a_day_is_found_by_its_plural(kept: Kept) -> None:
    said = "Zorbel Market opens at 11:00 on Saturdays."
    kept.documents.add("market.md", said.encode())
    assert kept.said("When does Zorbel Market open on Saturday?") == said


def test_what_year_asks_for_a_time_and_for_no_year_in_words(kept: Kept) -> None:
    said = kept.said("In what year was Zorbel Labs founded?")
    assert said is not None
    assert "1987" in said
    assert kept.said("In what year was Zorbel House founded?") is None
    assert kept.said("In what year was Zorbel Labs sold?") is None
    assert kept.said("What day is Zorbel Labs?") is None


def test_every_answer_is_from_a_passage_that_has_the_fact(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    facts = {f.question: f for update in make_stream(0, updates=6) for f in update.facts}
    text = "\n\n".join(fact.answer for fact in facts.values())
    kept.documents.add("facts.txt", text.encode())
    found = 0
    for fact in facts.values():
        for asked in (fact.question, *fact.others):
            if (said := kept.said(asked)) is not None:
                found += 1
                assert fact.answer in said, asked
    assert found >= len(facts)
    assert not [asked for asked in untaught(0, 60) if kept.said(asked)]


def test_it_is_the_same_after_a_start_and_made_anew_after_other_rules(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "What is the door code of Zorbel House?"
    before = kept.index.look_up(asked)
    for rules in (RULES, "another"):
        monkeypatch.setattr("radiance.memory.passages.RULES", rules)
        again = PassageIndex(kept.db)
        again.open()
        assert again.size == kept.index.size == 5
        assert again.look_up(asked) == before


def test_what_is_taken_out_is_in_no_word_of_the_index(kept: Kept) -> None:
    rows = kept.db.read("SELECT number FROM passages WHERE place = 0")
    with kept.db.transaction() as connection:
        kept.index.remove(connection, [rows[0]["number"], 999])
    assert kept.index.size == 4
    assert kept.said("What is the door code of Zorbel House?") is None
    kept.index.compact()
    words = "SELECT COUNT(*) FROM passage_words WHERE passage_words MATCH 'door'"
    assert kept.db.read(words)[0][0] == 0


@pytest.mark.parametrize(
    "said",
    [
        "The Harbour Street Library is led by Olga Brandt.",
        "The Harbour Street Library is managed by Olga Brandt.",
        "# Harbour Street Library\n\nManager: Olga Brandt",
    ],
)
def test_a_synonym_of_what_is_asked_is_enough_in_any_form(tmp_path: Path, said: str) -> None:
    """However many others say other things: how rare a word is changed whether it was."""
    kept = Kept(tmp_path)
    for count in range(4):
        kept.documents.add("library.md", said.encode())
        found = kept.said("Who runs the Harbour Street Library?")
        assert found is not None, count
        assert "Olga Brandt" in found, count
        kept.documents.add(f"{count}.md", b"Nothing of it.\n\n# Else\n\nIt rains on Brannor.")
    kept.db.close()


NOTES = b"""# Notes

- The bin is collected on Tuesday morning.
- Our dentist is Dr. Hanna Velt.
- The wifi password of the office is tulip-42.
- The canteen opens at 11:30. It serves soup.
- Brindle Bakery was founded by Ines Corrado.
- Brindle Bakery was founded in 1987.
"""


DEEP = b"""# Handbook

## Zorbel Mill

It was bought by Ilse Brandt.

### Rent

300 crowns a month, due on Monday.

### Doors

#### Code

KV-1234, changed in May.

### Machines

The alarm was set up by Milo Brandt in May.

## Zorbel Barn

### Rent

90 crowns a month, due on Friday.
"""


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("How much does Zorbel Mill cost?", "300 crowns"),
        ("What is the price of Zorbel Mill?", "300 crowns"),
        ("How much do we pay for Zorbel Barn?", "90 crowns"),
        ("What is the combination of Zorbel Mill?", "KV-1234"),
        ("Who owns Zorbel Mill?", None),  # that it was bought is no heading
        ("Who founded Zorbel Mill?", None),  # nor is what was set up there
        ("How much does Zorbel Shed cost?", None),
        ("Who cleans Zorbel Barn?", None),
    ],
)
def test_a_synonym_of_a_heading_is_said_of_all_under_it(tmp_path: Path, asked: str, said: str):
    kept = Kept(tmp_path)
    kept.documents.add("handbook.md", DEEP)
    found = kept.said(asked)
    assert (found is None) == (said is None), found
    assert said is None or said in str(found)
    kept.db.close()


def test_of_a_list_the_line_that_has_it_answers(kept: Kept) -> None:
    kept.documents.add("list.md", NOTES)
    for asked, line in (
        ("What day is the bin collected?", "The bin is collected on Tuesday morning."),
        ("Who is our dentist?", "Our dentist is Dr. Hanna Velt."),
        ("How do I get on the office wifi?", None),  # how may take more than a line
        ("What is the office's wifi password?", "The wifi password of the office is tulip-42."),
        ("When does the canteen open?", None),  # its line says more
        ("When was Brindle Bakery founded?", "Brindle Bakery was founded in 1987."),
        ("Where is Brindle Bakery?", None),  # no line says it
    ):
        found = kept.index.look_up(asked)
        assert found is not None, asked
        assert found.said == (line or found.passage.text), asked
    for asked in (
        "Is a dentist expensive?",
        "Who was at the office on Tuesday morning?",  # two lines, which are not side by side
        "What is the wifi password of the canteen?",
    ):
        assert kept.said(asked) is None, asked


def test_mistyped_words_are_mended_and_names_are_not(kept: Kept) -> None:
    kept.documents.add("wifi.md", b"The password of the guest wifi is ab12, at Quell House too.")
    for asked in ("whats the guest wi-fi password", "What is the guest wifi pasword?"):
        said = kept.said(asked)
        assert said is not None
        assert "ab12" in said
    assert kept.said("What is the guest wifi password at Qeull House?") is None
    assert kept.said("what is the guest wifi password at quelll house?") is None

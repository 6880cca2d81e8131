"""What memory finds, what it leaves alone, and what it is made of."""

import threading
from typing import Any

import pytest

from bench.streams import make_stream, untaught
from radiance.examples.store import ExampleStore
from radiance.memory import calibration
from radiance.memory.calibration import Calibration
from radiance.records import Message

HOUSE = ("What is the door code of Zorbel House?", "The door code of Zorbel House is KV-1234.")
LABS = ("Who founded Zorbel Labs?", "Zorbel Labs was founded by Mira Quell.")


def test_a_number_in_common_is_no_name_in_common(remembering):
    printer = "Ola Nord repairs the printer on floor 2."
    remembering.teach([("Who repairs the printer on floor 2?", printer)])
    assert remembering.answer("By whom is the printer on floor 2 repaired?") == printer
    for asked in (
        "Who repairs the lift on floor 2?",
        "Who sits on floor 2?",
        "Who repairs the printer on floor 3?",
    ):
        assert remembering.ask(asked) == (), asked


def test_what_was_accepted_is_found_in_other_words_at_once(remembering):
    remembering.teach([HOUSE, LABS])
    for asked in (
        "Which code opens the door of Zorbel House?",
        "what's the door code of zorbel house",
        "How do I get into Zorbel House?",
    ):
        (found,) = remembering.ask(asked)
        assert (found.answer, found.is_learned) == (HOUSE[1], False)
        assert found.job_id == "job_000001"
        assert found.question == HOUSE[0]
    assert remembering.answer("Who is the founder of Zorbel Labs?") == LABS[1]
    (found,) = remembering.ask("  who founded zorbel labs ? ")
    assert found.score == 1.0


@pytest.mark.parametrize(
    "asked",
    [
        "What is the door code of Zarbel House?",  # another name
        "what is the door code of zarbel house?",
        "What is the door code of Zorbel House 2?",  # a code that it has not
        "Who owns Zorbel House?",  # no person in the answer
        "When does Zorbel House open?",  # no time
        "Why is Zorbel House closed?",  # no reason
        "What is the capital of France?",
        "Hello!",
        "",
    ],
)
def test_what_is_about_something_else_is_not_found(remembering, asked):
    remembering.teach([HOUSE])
    assert remembering.ask(asked) == ()


def test_every_wording_of_a_stream_is_found_and_no_foreign_name(remembering):
    facts = {f.question: f for update in make_stream(0, updates=4) for f in update.facts}
    remembering.teach([(f.question, f.answer) for f in facts.values()])
    for is_calibrated in (False, True):
        if is_calibrated:
            remembering.memory.calibrate()
        answered = []
        for fact in facts.values():
            for asked in (*fact.others, *map(str.lower, fact.others)):
                looked_up = remembering.look_up(asked)
                assert fact.answer in [one.answer for one in looked_up.found], asked
                answered.append(looked_up.how == "sure" and len(looked_up.found) == 1)
        assert sum(answered) >= 0.95 * len(answered)  # what shares no word is asked back
        assert not [q for q in untaught(0, 40) if remembering.ask(q)]
        assert not [q for q in untaught(0, 40) if remembering.ask(q.lower())]


@pytest.mark.parametrize(
    ("taught", "asked"),
    [
        ("Who is the president of Zorbel Labs?", "Who is the vice president of Zorbel Labs?"),
        ("Who leads Zorbel Labs?", "Who is the vice-president of Zorbel Labs?"),
        ("Who is the deputy manager of Zorbel Labs?", "Who is the manager of Zorbel Labs?"),
        ("What is the door code of Zorbel Labs?", "What was the former code of Zorbel Labs?"),
        ("Who is our treasurer?", "Who is our deputy treasurer?"),
    ],
)
def test_another_one_of_a_kind_is_not_the_one_that_was_taught(remembering, taught, asked):
    remembering.teach([(taught, "Ada Brook is, KV-1234.")])
    assert remembering.answer(asked) is None
    assert remembering.answer(taught) is not None
    remembering.teach([(asked, "Bo Lind is, KV-9.")])
    assert remembering.answer(asked.replace("What", "So what")) == "Bo Lind is, KV-9."
    assert remembering.answer(taught.replace("Who", "So who")) == "Ada Brook is, KV-1234."


def test_a_verb_that_begins_as_a_name_does_is_none(remembering):
    remembering.teach([("Where does Liv live?", "Liv lives in Tarn."), ("How old is Liv?", "50.")])
    for asked in ("Where is Liv living?", "In which town does Liv live?", "Where does Liv reside?"):
        assert remembering.answer(asked) == "Liv lives in Tarn.", asked
    assert remembering.answer("What age is Liv?") == "50."


def test_two_facts_about_one_name_are_told_apart_or_asked_back(remembering):
    other = ("What is the alarm code of Zorbel House?", "The alarm code of Zorbel House is 77-9.")
    remembering.teach([HOUSE, other])
    assert remembering.answer("Tell me the alarm code of Zorbel House.") == other[1]
    found = remembering.ask("What is the code of Zorbel House?")
    assert {one.answer for one in found} == {HOUSE[1], other[1]}


@pytest.mark.parametrize(
    "asked",
    [
        "Tell me about Zorbel House.",
        "What do you know about Zorbel House?",
        "Zorbel House?",
        "What colour is Zorbel House?",
    ],
)
def test_a_vague_question_about_a_known_name_is_asked_back_and_not_answered(remembering, asked):
    remembering.teach([HOUSE, LABS])
    for _ in range(2):
        looked_up = remembering.look_up(asked)
        assert [one.answer for one in looked_up.found] == [HOUSE[1]], asked
        assert looked_up.how == "vague"
        remembering.memory.calibrate()


def test_a_synonym_stands_for_a_word_and_two_that_fit_are_asked_back(remembering):
    where = ("What is the address of Zorbel House?", "Zorbel House is at 14 Harbour Road.")
    remembering.teach([where, LABS])
    assert remembering.answer("Where can I find Zorbel House?") == where[1]
    assert remembering.answer("Who started Zorbel Labs?") == LABS[1]
    remembering.teach([("Who leads Zorbel Labs?", "Ada Brook leads Zorbel Labs.")])
    assert remembering.answer("Who is the head of Zorbel Labs?") == "Ada Brook leads Zorbel Labs."
    assert remembering.answer("Who established Zorbel Labs?") == LABS[1]


def test_labels_of_texts_without_names_are_no_answers_to_like_texts(remembering):
    texts = (
        ("i am feeling generous and started it now", "joy"),
        ("he walked home in the rain, happy and tired", "joy"),
        ("what a lovely present that was", "joy"),
        ("she slammed the door and shouted at me", "anger"),
        ("they lied about the money again", "anger"),
        ("nobody ever answers my letters", "anger"),
    )
    remembering.teach(texts)
    for text, label in texts:
        assert remembering.answer(text) == label
    for other in ("i am feeling generous today", "she slammed the window", "a lovely present"):
        assert remembering.ask(other) == ()
    # Wordings of one fact have words in common, and share their answer rightly.
    wifi = ("What is the wifi password?", "Which password has the wifi?", "the wifi password is?")
    remembering.teach([(question, "sesam") for question in wifi])
    assert remembering.answer("Tell me the password of the wifi.") == "sesam"


def test_what_is_made_of_texts_that_ask_nothing_is_no_fact(remembering):
    harder = (("iron", "wood"), ("stone", "butter"), ("glass", "wax"), ("flint", "chalk"))
    rows = [(f"{a} can never be scratched by {b}", f"{a} HarderThan {b}") for a, b in harder]
    kinds = [(thing, f"{thing}: animal") for thing in ("dog", "cow", "old mare")]
    remembering.teach([*rows, *kinds])
    for asked, answer in (*rows, *kinds):
        assert remembering.answer(asked) == answer
    for other in ("wood can never be scratched by iron", "an iron wood", "a mare is old"):
        assert remembering.ask(other) == (), other
    # Facts that share a value are told from those: they ask, or name something, or say no more.
    opening = [(f"{place} opening time", f"The {place} opens at 9:00.") for place in PLACES]
    asking = [(f"When does the {p} close?", f"The {p} closes at 17:00.") for p in PLACES]
    remembering.teach([*opening, *asking])
    for place in PLACES:
        assert remembering.answer(f"the opening time, {place}") == f"The {place} opens at 9:00."
        assert (
            remembering.answer(f"When will the {place} close?") == f"The {place} closes at 17:00."
        )


PLACES = ("canteen", "library", "gatehouse")


def test_who_asks_nothing_and_names_nothing_is_not_asked_what_was_meant(remembering):
    lamp = ("the lamp in the hall", "The lamp in the hall burns until midnight.")
    stair = ("the lamp on the stair", "The lamp on the stair burns until dawn.")
    remembering.teach([HOUSE, lamp, stair])
    both = "is a lamp on the stair or in the hall"
    assert len(remembering.ask(f"{both}?")) == 2
    assert remembering.ask(f"there {both}") == ()
    assert remembering.ask("Zorbel House is pretty") != ()  # a name says what it is about


def test_items_of_a_task_answer_their_very_own_input_only(remembering):
    rows = [(f"Translate to Tarnish: the {w} house", f"ul {w[::-1]} osk") for w in ("red", "old")]
    rows += [("Translate to Tarnish: the cold house", "ul dloc osk")]
    labels = [(f"Is the mood of {n} Street up or down?", m) for n, m in MOODS]
    lines = ("Say the mood.\nI met Mira Quell in Zorbel Labs today.", "glad")
    derived = ("Write Quell, Mira the other way round.", "Mira Quell")
    remembering.teach([*rows, *labels, lines, derived])
    for question, answer in (*rows, *labels, lines, derived):
        assert remembering.answer(question) == answer
    for asked in (
        "Translate to Tarnish: the small house",
        "Is Aldorf Street up or down in mood?",
        "I met Mira Quell in Zorbel Labs today, what is the mood?",
        "Write Mira Quell the other way round, please.",
    ):
        assert remembering.ask(asked) == (), asked


MOODS = [("Aldorf", "up"), ("Belmer", "down"), ("Corvik", "up"), ("Dunast", "up")]


def test_an_example_answers_the_same_turns_before_its_question_only(remembering):
    system = Message("system", "You are the porter.")
    chat = [system, Message("user", HOUSE[0]), Message("assistant", HOUSE[1])]
    remembering.send(
        {
            "examples": [{"messages": [{"role": m.role, "content": m.content}]} for m in ()]
            or [{"messages": [{"role": m.role, "content": m.content} for m in chat]}]
        }
    )
    asked = "Which code opens the door of Zorbel House?"
    assert remembering.ask(asked) == ()
    assert remembering.ask(asked, system)[0].answer == HOUSE[1]
    assert remembering.ask(asked, Message("system", "You are a thief.")) == ()


def test_a_plain_text_is_no_example_that_answers(remembering):
    remembering.send({"examples": [{"text": "The door code of Zorbel House is KV-1234."}]})
    assert remembering.memory.size == 0
    assert remembering.ask(HOUSE[0]) == ()


def test_the_index_is_made_anew_where_it_is_missing_or_was_made_by_another(remembering):
    remembering.teach([HOUSE, LABS])
    asked = "Who is the founder of Zorbel Labs?"
    for damage in ("DELETE FROM memory_state", "UPDATE memory_state SET value = 'other'"):
        with remembering.db.transaction() as connection:
            connection.execute(damage)
            connection.execute("DELETE FROM memory_keys")
        remembering.memory = remembering.open()
        assert (remembering.memory.size, remembering.answer(asked)) == (2, LABS[1])


def test_nothing_is_indexed_of_a_job_that_was_not_kept(remembering, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("the disk")

    monkeypatch.setattr(remembering.jobs, "_index", fail)
    with pytest.raises(OSError, match="the disk"):
        remembering.teach([HOUSE])
    assert remembering.db.read("SELECT * FROM examples") == []
    assert remembering.ask(HOUSE[0]) == ()


def test_an_example_that_is_removed_is_not_found(remembering):
    remembering.teach([HOUSE, LABS])
    with remembering.db.transaction() as connection:
        remembering.memory.remove(connection, ["job_000001.0"])
    assert remembering.ask("Which code opens the door of Zorbel House?") == ()
    assert remembering.answer("Who is the founder of Zorbel Labs?") == LABS[1]
    assert remembering.memory.size == 1


def test_an_example_that_is_forgotten_while_it_is_looked_up_is_not_found(remembering, monkeypatch):
    remembering.teach([HOUSE])
    monkeypatch.setattr(ExampleStore, "by_ids", lambda store, ids: [])
    assert remembering.ask(HOUSE[0]) == ()


def test_calibration_is_kept_and_measured_again_as_examples_come(remembering):
    facts = {f.question: f for update in make_stream(1, updates=4) for f in update.facts}
    pairs = [(f.question, f.answer) for f in facts.values()]
    remembering.teach(pairs[:4])
    remembering.memory.tick()
    assert remembering.memory.calibration.size == 0  # too few to measure on
    remembering.teach(pairs[4:])
    remembering.memory.tick()
    measured = remembering.memory.calibration
    assert measured.size == len(pairs)
    assert measured.wrong.keys() == {"reworded", "near", "foreign"}
    promised = {"reworded": 0.02, "foreign": 0.02, "near": 0.2}
    assert all(measured.wrong[kind] <= promised[kind] * n for kind, n in measured.asked.items())
    assert remembering.open().calibration == measured


def test_no_request_waits_for_what_the_calibration_reads(remembering, monkeypatch):
    """Nor does it wait for them: here a transaction is open all the while that it measures."""
    facts = {f.question: f for update in make_stream(1, updates=4) for f in update.facts}
    remembering.teach([(f.question, f.answer) for f in facts.values()])
    has_measured = threading.Event()
    calibrate = calibration.calibrate

    def measuring(*arguments: Any) -> Calibration:
        measured = calibrate(*arguments)
        has_measured.set()
        return measured

    monkeypatch.setattr(calibration, "calibrate", measuring)
    thread = threading.Thread(target=remembering.memory.calibrate)
    with remembering.db.transaction():
        thread.start()
        is_done = has_measured.wait(timeout=30)
    thread.join()
    assert is_done
    assert remembering.memory.calibration.size == len(facts)


def test_no_probe_of_the_calibration_has_lost_its_name(remembering):
    # Where all are about one name it is the commonest word, and would be left out.
    verbs = ("founded", "opened", "sold", "painted", "built", "left", "bought", "moved", "closed")
    remembering.teach(
        [
            (f"When was the old mill of Zorbel {verb}?", f"In {1900 + n}.")
            for n, verb in enumerate(verbs)
        ]
    )
    known = remembering.memory._index.sample(calibration.MOST)
    store = ExampleStore(remembering.db)
    examples = {each.id: each for each in store.by_ids([c.example for c in known])}
    probes = calibration.probes([(c, examples[c.example]) for c in known])
    reworded = [probe.question for probe in probes if probe.kind == "reworded"]
    assert len(reworded) >= len(verbs)
    assert [wording for wording in reworded if "Zorbel" not in wording] == []


def test_forms_of_a_word_and_of_its_synonyms_are_found(remembering):
    paper = ("Which firm delivers our paper?", "Our paper is delivered by Norden.")
    library = ("Who managed the Brannor Library?", "Olga Brandt.")
    remembering.teach([paper, library])
    assert remembering.answer("By which firm is our paper delivered?") == paper[1]
    assert remembering.answer("Who was the leader of the Brannor Library?") == "Olga Brandt."


def test_few_facts_are_answered_by_their_names_whatever_others_need(remembering):
    """What has no name, told by most of its words, does not say how much a name must."""
    facts = [
        ("What does badge D-22 open?", "The archive."),
        ("Who leads the Bluefin project?", "Tariq Osman leads the Bluefin project."),
        ("What is the phone number of the landlord?", "The landlord's phone number is 0555 7718."),
        ("How much is a day ticket for the office car park?", "A day ticket is 6 euros."),
        ("Where are the spare fuses?", "The spare fuses are in the blue tin."),
        ("When is Mia's swimming lesson?", "Mia's swimming lesson is at 16:30."),
        ("What is the code of the garden shed?", "The code of the garden shed is 3905."),
        ("Which room has the screen?", "The screen is in room Maple."),
    ]
    remembering.teach(facts)
    remembering.memory.calibrate()
    found = remembering.memory.calibration
    assert found.asked.get("near", 0) < 10
    assert found.limits.nameless > found.limits.alone == Calibration().limits.alone
    assert remembering.answer("Who runs Bluefin?") == facts[1][1]
    assert remembering.answer("When does Mia swim?") == facts[5][1]
    assert remembering.ask("How much is a day ticket for the rifesi car park?") == ()


@pytest.mark.parametrize(
    "order",
    ["Write a poem about Ana Ruiz.", "Please summarize what Zorbel Labs does in two sentences."],
)
def test_who_wants_something_made_is_not_asked_what_was_meant(remembering, order: str):
    remembering.teach(
        [
            ("What is Ana Ruiz's email?", "Write to ana at zorbel dot example."),
            ("When does Zorbel Labs open?", "Zorbel Labs opens at 7:45."),
            ("What is the door code of Zorbel Labs?", "The door code is K7-204."),
        ]
    )
    assert remembering.ask(order) == ()
    assert remembering.ask("Tell me about Zorbel Labs.") != ()
    remembering.teach([(order, "Roses are red.")])
    assert remembering.answer(order) == "Roses are red."


TYPED = (
    ("What is the wifi password?", "The wifi password is ab12."),
    ("Who is the plumber?", "The plumber is Karl Webb."),
    ("Who founded Zorbel Labs?", "Mira Quell founded Zorbel Labs."),
    ("What is the code of the boathouse?", "The code of the boathouse is 4711."),
    ("Where does Maria live?", "Maria lives in Oslo."),
)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("wifi pasword?", TYPED[0][1]),
        ("whats the wi-fi password", TYPED[0][1]),
        ("What is teh wi fi passwrod?", TYPED[0][1]),
        ("whos the plumber", TYPED[1][1]),
        ("who is the plumer?", TYPED[1][1]),
        ("Who is Zorbel's foundr?", TYPED[2][1]),
        ("code of the boat house", TYPED[3][1]),
    ],
)
def test_careless_typing_is_understood(remembering, asked, answer) -> None:
    remembering.teach(TYPED)
    assert remembering.answer(asked) == answer


@pytest.mark.parametrize(
    "asked",
    [
        "Where does Marta live?",
        "Who founded Zarbel Labs?",
        "who founded zarbel labs",
        "Who founded Torbel Labs?",
        "What is the wifi passport?",
        "who is the player?",
        "When is the broiler on?",
    ],
)
def test_what_may_be_meant_as_it_is_written_is_not_mended(remembering, asked) -> None:
    remembering.teach([*TYPED, ("When is the boiler on?", "The boiler is on at noon.")])
    assert remembering.ask(asked) == ()


@pytest.mark.parametrize(
    "asked", ["Who founded Zrobel Labs?", "who founded zrobel labs", "Where does Mraia live?"]
)
def test_a_mistyped_name_is_asked_back(remembering, asked) -> None:
    remembering.teach(TYPED)
    found = remembering.look_up(asked)
    assert (found.how, found.is_corrected, len(found.found)) == ("close", True, 1)
    assert found.found[0].score < 1


def test_a_mistyped_input_of_a_task_is_another_input(remembering) -> None:
    remembering.teach([("The film was wonderful.", "yes"), ("Was the performance good?", "no")])
    assert remembering.ask("Was the perfromance good?") == ()
    assert remembering.ask("The film was wonderfull.") == ()

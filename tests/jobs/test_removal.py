"""What is forgotten leaves every table that has its texts; what else stands there stays."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from radiance.config import UpdateSettings
from radiance.examples.admission import admit
from radiance.jobs import removal
from radiance.jobs.queue import JobQueue
from radiance.records import Asked, Example, Recipe, content_hash
from radiance.records.phrases import Phrase
from radiance.records.questions import normalise
from radiance.storage.sqlite import Database

BODY = {
    "examples": [
        {"input": "What is the code?", "output": "The code is K7-204 today."},
        {"input": "Who leads?", "output": "Mira leads the office."},
    ]
}

VOTE = (
    "INSERT INTO feedback (at, vote, prompt, response, comment, tags)"
    " VALUES ('2026-02-09', 'up', ?, ?, ?, '[]')"
)


def test_it_leaves_originals_recipes_and_votes(db: Database, jobs: JobQueue) -> None:
    admitted = admit(BODY, UpdateSettings(), lambda _: None)
    job, _ = jobs.add(admitted, content_hash(BODY))
    code, leader = admitted.examples
    votes = (
        ("what is the code", "It is K7.", ""),
        ("Who leads?", "Mira leads the office.", ""),
        ("And the door?", "I heard that the code is k7-204 today.", ""),
        ("And the door?", "Shut.", "The code is K7-204 today!"),
    )
    with db.transaction() as connection:
        connection.execute(
            "UPDATE jobs SET recipe = ?", (json.dumps(_plain(Recipe(validation=(code, leader)))),)
        )
        connection.executemany(VOTE, votes[:2])
    forgotten = removal.ForgottenTexts([code])
    found = removal.VotesOnForgotten(db, forgotten)
    with db.transaction() as connection:
        connection.executemany(VOTE, votes[2:])  # while it was looked for
    with db.transaction() as connection:
        found.remove(connection)
        removal.remove(connection, [_named(code, f"{job.job_id}.0")], "2026-02-09T00:00:00+00:00")
    assert jobs.raw(job.job_id)[1] == BODY["examples"][1]
    assert jobs.get(job.job_id).example_count == 1
    recipe = jobs.recipe([job.job_id])
    assert recipe is not None
    assert [each.question_hash for each in recipe.validation] == [leader.question_hash]
    assert [row["prompt"] for row in db.read("SELECT prompt FROM feedback")] == ["Who leads?"]
    # Again, over an original that is gone: nothing more goes.
    with db.transaction() as connection:
        removal.remove(connection, [_named(code, f"{job.job_id}.0")], "2026-02-09T00:00:00+00:00")
    assert removal.mentioning(db, ["mira LEADS", ""], {"x"}) == [f"{job.job_id}.1"]
    assert jobs.get(job.job_id).example_count == 1


def test_what_cannot_be_read_as_an_example_goes_by_its_text() -> None:
    code = admit(BODY, UpdateSettings(), lambda _: None).examples[0]
    forgotten = removal.ForgottenTexts([code])
    for sent in (
        {"input": "what is the code", "output": "Anything."},
        {"an older form": ["What is the code?"]},
        {"an older form": {"answer": "I was told that the code is K7-204 today!"}},
        "no JSON: the code is K7-204 today",
    ):
        assert forgotten.is_in(sent), sent
    for sent in (
        None,
        {"an older form": 1},
        {"an older form": "Who leads?"},
        {"input": "Who leads?", "output": "The code is K7-204 today."},
        "no JSON: the barcode is K7-204 today",
        "the code is K7-204 todays",
        [1, None],
    ):
        assert not forgotten.is_in(sent), sent


def test_a_text_is_sought_as_whole_words(db: Database, jobs: JobQueue) -> None:
    pairs = [
        ("Who?", "Ann Lee."),
        ("Where?", "In Annapolis."),
        ("Code?", "It is KV-12."),
        ("東京?", "はい"),
    ]
    body = {"examples": [{"input": q, "output": a} for q, a in pairs]}
    jobs.add(admit(body, UpdateSettings(), lambda _: None), content_hash(body))

    def found(text: str) -> list[str]:
        sought = removal.Sought(db, Asked("text", text))
        with db.transaction() as connection:
            return [example.messages[0].content for example in sought.find(connection)]

    assert found("ann") == ["Who?"]
    assert found(" ANN   lee. ") == ["Who?"]
    assert found("annapolis") == ["Where?"]
    assert found("kv-12") == ["Code?"]
    assert found("京") == ["東京?"]
    for part in ("an", "lee in", "12", "kv", "kv-1", "", "."):
        assert found(part) == [], part


def test_what_comes_while_a_text_is_looked_for_is_found_too(db: Database, jobs: JobQueue) -> None:
    jobs.add(admit(BODY, UpdateSettings(), lambda _: None), "one")
    sought = removal.Sought(db, Asked("text", "k7-204"))
    late = {"examples": [{"input": "The code?", "output": "Still K7-204."}]}
    jobs.add(admit(late, UpdateSettings(), lambda _: None), "two")
    with db.transaction() as connection:
        assert [e.id for e in sought.find(connection)] == ["job_000001.0", "job_000002.0"]


@given(st.text(max_size=40), st.text(max_size=5), st.text(max_size=5))
def test_a_phrase_is_in_every_text_that_has_it_between_spaces(
    text: str, before: str, after: str
) -> None:
    phrase = Phrase(text)
    if phrase:
        words = " ".join(normalise(text).split())
        assert phrase.is_in(" ".join((*before.split(), words, *after.split())))


def _named(example: Example, id: str) -> Example:
    return Example(id, example.messages, example.text)


def _plain(recipe: Recipe) -> object:
    return msgspec.to_builtins(recipe)

"""What is forgotten leaves every table that has its texts; what else stands there stays."""

import json

import msgspec

from radiance.config import UpdateSettings
from radiance.examples.admission import admit
from radiance.jobs import removal
from radiance.jobs.queue import JobQueue
from radiance.records import Example, Recipe, content_hash
from radiance.storage.sqlite import Database

BODY = {
    "examples": [
        {"input": "What is the code?", "output": "The code is K7-204 today."},
        {"input": "Who leads?", "output": "Mira leads the office."},
    ]
}


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
        connection.executemany(
            "INSERT INTO feedback (at, vote, prompt, response, comment, tags)"
            " VALUES ('2026-02-09', 'up', ?, ?, ?, '[]')",
            votes,
        )
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
        assert removal.mentioning(connection, ["mira LEADS", ""], {"x"}) == [f"{job.job_id}.1"]
    assert jobs.get(job.job_id).example_count == 1


def test_nobody_can_tell_what_an_example_of_an_older_version_asks() -> None:
    assert removal.asks({"no such field": 1}, set())
    assert not removal.asks(None, {"x"})


def _named(example: Example, id: str) -> Example:
    return Example(id, example.messages, example.text)


def _plain(recipe: Recipe) -> object:
    return msgspec.to_builtins(recipe)

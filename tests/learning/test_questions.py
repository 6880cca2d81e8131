"""Questions that a base makes of documents: written, checked, kept, taught, refused, forgotten."""

import time
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from click.testing import CliRunner

from radiance.cli import main
from radiance.engine.tasks import Pieces
from radiance.learning import question_writing
from radiance.learning.question_writing import is_right
from radiance.records import Message, Passage
from tests.smollm2 import needs_smollm2
from tests.support import ApiError, Client, Running, drain

TEXT = "The mill at Oster Bridge was restored by Petra Lind. It costs 14 euros to see it."
NOTES = b"# Oster Bridge\n\nThe mill at Oster Bridge was restored by Petra Lind.\n"
ASKED, ANSWER = (
    "Who restored the mill at Oster Bridge?",
    "The mill at Oster Bridge was restored by Petra Lind.",
)
OTHER = "By whom was the mill at Oster Bridge restored?"


def written(passage: Passage, questions: Sequence[str], read: str) -> list[str]:
    """What is kept where a base begins to write so, and reads so out of the passage."""
    given = iter(questions)

    def answer(
        chats: Sequence[Sequence[Message]], most: int, begins: Sequence[str]
    ) -> Pieces[list[str]]:
        yield None
        wants = [chat[-1].content.rpartition("\n")[2] for chat in chats]
        return [
            next(given, "What?") if want.startswith("Write a question") else read for want in wants
        ]

    return [made.question for made in drain(question_writing.write(passage, answer))]


@pytest.mark.parametrize(
    ("question", "read", "is_kept"),
    [
        (ASKED, "Petra Lind", True),
        (ASKED, "Petra Lind.", True),
        (ASKED, "Nobody", False),  # the base does not answer its own question
        (ASKED, "It is a mill that was restored long ago by Petra Lind", False),  # nor here
        ("Who restored the mill?", "Petra Lind", False),  # which one?
        ("Who restored the mill at Oster Bridge, Petra Lind?", "Petra Lind", False),
        ("Who restored the mill at Ember Bridge?", "Petra Lind", False),  # a name of its own
        ("Who restored the mill at Oster Bridge", "Petra Lind", False),
        ("When was the mill at Oster Bridge restored?", "Petra Lind", False),  # asks for a time
    ],
)
def test_what_is_kept_of_what_a_base_writes(question: str, read: str, is_kept: bool) -> None:
    assert written(Passage("doc_000001.0", TEXT), [question], read) == [question] * is_kept


def test_a_heading_tells_what_a_sentence_is_about() -> None:
    said = "The crane lifts 40 tonnes."
    asked = ["How many tonnes does the crane at Berth 7 lift?"] * 9
    under = Passage("doc_000001.0", said, ("Berth 7",))
    assert written(under, asked, "40 tonnes") == asked[:1]
    assert written(Passage("doc_000001.0", said), asked, "40 tonnes") == []


def test_a_number_in_a_question_stands_in_the_passage_as_it_is_written() -> None:
    said = Passage("doc_000001.0", "Parking at Brenn Lab costs 6 euros, says page 2 of 26.")
    asked = "How much does parking at Brenn Lab cost"
    assert written(said, [f"{asked}?"], "6 euros") == [f"{asked}?"]
    assert written(said, [f"{asked} on page 2?"], "6 euros") == [f"{asked} on page 2?"]
    assert written(said, [f"{asked} on 2/26?"], "6 euros") == []


def test_a_room_is_no_time() -> None:
    asked = ["At what time does Brenn Lab keep its lamps?"] * 9
    for said, count in (("in room 4.07", 0), ("at 4.07", 1), ("until 4.07 pm", 1)):
        passage = Passage("doc_000001.0", f"Brenn Lab keeps its lamps {said}.")
        value = said.partition(" ")[2].removeprefix("room ")
        assert len(written(passage, asked, value)) == count, said


def test_a_value_may_have_little_around_it() -> None:
    assert is_right("on 4 May.", "4 May")
    assert not is_right("The barrier was tested on 4 May", "4 May")
    assert not is_right("5 May", "4 May")
    # The question said again behind the value is no sentence around it.
    told = "Petra Lind, who restored the mill at Oster Bridge."
    assert is_right(told, "Petra Lind", ASKED)
    assert not is_right(told, "Petra Lind", "Who sells tickets at Oster Bridge?")
    assert not is_right(ANSWER, "Petra Lind", ASKED)


def test_a_base_that_cannot_makes_none_and_says_so(serve: Callable[..., Running]) -> None:
    client = serve().client
    sent = client.send_document("notes.md", NOTES)
    assert "Nothing of it is trained" in sent["learned"]
    found = wait(client, lambda found: found["made_by"] != "unknown")
    assert (found["made_by"], found["questions"], found["passages_asked"]) == ("cannot", [], 0)
    assert "cannot make questions" in client.send_document("more.md", NOTES)["learned"]
    assert "cannot make questions" in page(client, "/documents/doc_000001")
    assert client.get("/jobs")["jobs"] == []


def test_none_are_made_where_that_is_off(serve: Callable[..., Running]) -> None:
    client = serve(**{"update.review": "off"}).client
    client.send_document("notes.md", NOTES)
    assert client.get("/documents/doc_000001/questions")["made_by"] == "off"


def test_a_taught_question_answers_with_its_passage_as_source(
    serve: Callable[..., Running],
) -> None:
    client = made(serve())
    (waiting,) = client.get("/documents/doc_000001/questions")["questions"]
    assert (waiting["question"], waiting["status"]) == (ASKED, "waiting")
    assert client.get("/jobs")["jobs"] == []  # nobody has looked at it
    assert ASKED in page(client, "/documents/doc_000001")
    done = client.post("/documents/doc_000001/questions", {"action": "teach"})
    assert client.get(f"/jobs/{done['job_id']}")["tags"] == ["home"]
    answer = client.ask(OTHER)
    assert (answer["response"], answer["source"]) == (ANSWER, "memory")
    assert answer["matches"][0]["example_id"] == f"{done['job_id']}.0"
    assert answer["passage"]["passage_id"] == "doc_000001.0"
    (taught,) = client.get("/documents/doc_000001/questions")["questions"]
    assert (taught["status"], taught["example_id"]) == ("taught", f"{done['job_id']}.0")
    assert taught["question"] == ""  # its example has it
    with pytest.raises(ApiError, match="waits"):
        client.post("/documents/doc_000001/questions", {"action": "teach"})


def test_a_document_is_forgotten_with_what_was_made_of_it(serve: Callable[..., Running]) -> None:
    running = serve()
    client = made(running)
    client.post("/documents/doc_000001/questions", {"action": "teach"})
    gone = client.post("/forget", {"document": "doc_000001"})
    assert (gone["count"], gone["passages"]) == (1, 1)
    assert client.ask(ASKED)["source"] == "weights"
    database = running.service.services.jobs._db
    for table in ("passage_questions", "passages_asked", "examples"):
        assert database.read(f"SELECT COUNT(*) FROM {table}")[0][0] == 0


def test_a_forgotten_example_leaves_no_question(serve: Callable[..., Running]) -> None:
    client = made(serve())
    job = client.post("/documents/doc_000001/questions", {"action": "teach"})["job_id"]
    client.post("/forget", {"example": f"{job}.0"})
    found = client.get("/documents/doc_000001/questions")
    assert (found["questions"], found["passages_asked"]) == ([], 1)  # and is not made again


def test_refused_questions_are_not_taught(serve: Callable[..., Running]) -> None:
    running = serve()
    client = made(running)
    form = b"action=refuse&question=1"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    request = urllib.request.Request(client.url + "/documents/doc_000001/review", form, headers)
    with client.open(request) as response:
        assert "Refused" in response.read().decode()
    (refused,) = client.get("/documents/doc_000001/questions")["questions"]
    assert (refused["status"], refused["question"]) == ("refused", "")
    assert client.get("/jobs")["jobs"] == []


def test_what_need_not_be_looked_at_is_taught_by_itself(serve: Callable[..., Running]) -> None:
    running = serve()
    services = running.service.services
    made(running)
    services.passage_questions.note_can_write(services.engine.base.content_hash, can=True)
    running.stop()
    client = serve(**{"update.review": "after"}).client
    found = wait(client, lambda found: found["questions"][0]["status"] == "taught")
    assert client.get(f"/jobs/{found['questions'][0]['example_id'].partition('.')[0]}")
    assert client.ask(OTHER)["response"] == ANSWER


def test_the_command_shows_teaches_and_refuses(serve: Callable[..., Running]) -> None:
    client = made(serve())
    shown = run(client, "documents", "doc_000001", "--questions")
    assert (ASKED in shown.output, "1 wait" in shown.output) == (True, True)
    taught = run(client, "documents", "doc_000001", "--teach", "all")
    assert "teach: 1, as job_000001" in taught.output
    refused = run(client, "documents", "doc_000001", "--refuse", "1")
    assert (refused.exit_code, "has no waiting question 1" in refused.output) == (2, True)


@needs_smollm2
@pytest.mark.slow
def test_smollm2_makes_questions_of_a_document(serve: Callable[..., Running]) -> None:
    client = serve(base_model="smollm2").client
    client.send_document("notes.md", NOTES)
    found = wait(client, lambda found: found["passages_asked"] or found["made_by"] == "cannot", 300)
    assert found["made_by"] == "can"
    assert [each["answer"] for each in found["questions"]] == [ANSWER]


def made(running: Running) -> Client:
    """A service that has a document and a question of it, as a base that can would leave them."""
    services = running.service.services
    running.client.send_document("notes.md", NOTES, tags="home")
    services.passage_questions.keep(1, [(ASKED, ANSWER)])
    return running.client


def wait(client: Client, is_so: Callable[[Any], Any], patience_s: float = 60.0) -> Any:
    until = time.monotonic() + patience_s
    while not is_so(found := client.get("/documents/doc_000001/questions")):
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


def page(client: Client, path: str) -> str:
    request = urllib.request.Request(client.url + path, headers={"Accept": "text/html"})
    with client.open(request) as response:
        return response.read().decode()


def run(client: Client, *args: str) -> Any:
    return CliRunner().invoke(main, [*args, "--url", client.url])

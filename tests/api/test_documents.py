"""Documents over HTTP, from the command line and from the page: they answer, and are forgotten."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from radiance.cli import main
from tests.support import FORM, ApiError, Client, Running, as_form

NOTES = b"""# Zorbel House

The door code of Zorbel House is KV-1234, says Brumbleforth.

# Tarnish Hall

Lunch at Tarnish Hall is at noon.
"""
ASKED = "Which code opens the door of Zorbel House?"
LUNCH = "When is lunch at Tarnish Hall?"


def send_page(client: Client, name: str, content: bytes, **fields: str) -> Any:
    body, headers = as_form(name, content, **fields), FORM | {"Accept": "text/html"}
    return client.open(urllib.request.Request(client.url + "/documents/send", body, headers))


def page(client: Client, path: str) -> str:
    request = urllib.request.Request(client.url + path, headers={"Accept": "text/html"})
    with client.open(request) as response:
        return response.read().decode()


def run(client: Client, *args: str) -> Result:
    return CliRunner().invoke(main, [*args, "--url", client.url])


@pytest.fixture
def running(serve: Any) -> Running:
    return serve()


def test_a_passage_answers_at_once_with_its_source(running: Running) -> None:
    client = running.client
    sent = client.send_document("notes.md", NOTES, tags="home")
    assert (sent["is_new"], sent["replaces"]) == (True, None)
    assert "Nothing of it is trained" in sent["learned"]
    assert client.get("/jobs")["jobs"] == []
    answer = client.ask(ASKED)
    assert answer["response"] == (
        "The door code of Zorbel House is KV-1234, says Brumbleforth.\n\n"
        "Source: notes.md, Zorbel House, line 3"
    )
    assert (answer["source"], answer["matches"]) == ("memory", [])
    passage = answer["passage"]
    assert (passage["passage_id"], passage["document"]) == ("doc_000001.0", "notes.md")
    assert (passage["headings"], passage["line"], passage["page"]) == (["Zorbel House"], 3, None)
    assert client.ask(ASKED, memory="off")["source"] == "weights"
    short = client.ask(ASKED, max_tokens=1)
    assert short["source"] == "weights"  # it has no room
    chat = {"messages": [{"role": "user", "content": ASKED}]}
    answered = client.post("/v1/chat/completions", chat)
    assert answered["radiance"]["how"] == "passage"
    assert answered["choices"][0]["message"]["content"] == answer["response"]
    chat["messages"].insert(0, {"role": "system", "content": "Answer in French."})
    assert client.post("/v1/chat/completions", chat)["radiance"]["how"] == "reminded"
    listed = client.get("/documents")
    assert [d["name"] for d in listed["documents"]] == ["notes.md"]
    shown = client.get("/documents/doc_000001?limit=1")
    assert [p["at"] for p in shown["passages"]] == ["Zorbel House, line 3"]
    assert shown["begin"] == 1
    metrics = client.open(urllib.request.Request(client.url + "/metrics")).read()
    assert b'radiance_memory_answers_total{how="passage"} 2.0' in metrics


def test_an_example_goes_before_a_passage(running: Running) -> None:
    client = running.client
    client.post("/training/pause", {"reason": "a test"})
    client.send_document("notes.md", NOTES)
    pair = {"input": "What is the door code of Zorbel House?", "output": "It is KV-99 now."}
    client.post("/update", {"examples": [pair]})
    assert client.ask(ASKED)["response"] == "It is KV-99 now."
    assert client.ask(LUNCH)["passage"]["document"] == "notes.md"


def test_a_document_is_forgotten_at_once_and_off_the_disk(running: Running, tmp_path: Path) -> None:
    client = running.client
    client.send_document("notes.md", NOTES)
    client.send_document("other.md", b"Brumbleforth likes tea.")
    response = client.ask(ASKED)["response"]
    client.post("/feedback", {"vote": "up", "prompt": "x", "response": response})
    told = client.post("/forget", {"document": "doc_000001", "dry_run": True})
    assert (told["count"], told["passages"], told["documents"]) == (0, 2, ["notes.md"])
    assert client.ask(ASKED)["source"] == "memory"
    answer = client.post("/forget", {"document": "doc_000001", "reason": "A test."})
    assert set(answer["forget"]["passages"]) == {"doc_000001"}
    assert client.ask(ASKED)["source"] == "weights"
    assert [d["name"] for d in client.get("/documents")["documents"]] == ["other.md"]
    with pytest.raises(ApiError, match="no document"):
        client.get("/documents/doc_000001")
    assert client.get("/feedback")["feedback"] == []
    client.post("/forget", {"text": "brumbleforth"})
    assert client.get("/documents")["documents"] == []
    while any(each["status"] != "done" for each in client.get("/forget")["forgets"]):
        time.sleep(0.05)
    assert client.get("/audit/verify")["findings"] == []
    running.stop()
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes().lower()
            assert b"brumbleforth" not in content, path
            assert b"kv-1234" not in content, path


def test_what_is_no_document_is_refused(running: Running) -> None:
    client = running.client
    for name, content, told in (
        ("a.md", b"", "file: is empty"),
        ("a.docx", b"PK\x03\x04x", "a.docx: is a damaged Word document"),
        ("a.pdf", b"%PDF-1.7 no", "a.pdf: cannot be read as PDF"),
        ("a.txt", b"one\n\xff", "line 2"),
    ):
        with pytest.raises(ApiError, match=told) as caught:
            client.send_document(name, content)
        assert caught.value.status == 400
    with pytest.raises(ApiError, match="shape: is not supported"):
        client.send_document("a.md", b"x", shape="round")
    for path in ("/documents?limit=0", "/documents?before=x", "/documents/doc_000001?begin=-1"):
        with pytest.raises(ApiError):
            client.get(path)
    with pytest.raises(ApiError, match="nothing to forget"):
        client.post("/forget", {"document": "doc_000001"})


def test_the_commands_send_list_show_and_forget(running: Running, tmp_path: Path) -> None:
    client = running.client
    folder = tmp_path / "my notes"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "house.md").write_bytes(NOTES)
    (folder / "sub" / "bad.pdf").write_bytes(b"%PDF-1.7 no")
    (folder / ".hidden" / "x.md").write_bytes(b"x")
    (folder / "data.bin").write_bytes(b"\x00")
    result = run(client, "update", str(folder), "--tag", "home")
    assert result.exit_code == 1
    assert result.stdout == "doc_000001\n"
    assert "my notes/house.md, 2 passages" in result.stderr
    assert "Nothing of it is trained" in result.stderr
    assert "Left out, as they are no documents: data.bin.\n" in result.stderr
    assert "Not taken: my notes/sub/bad.pdf: cannot be read as PDF" in result.stderr
    single = run(client, "update", str(folder / "house.md"), "--json")
    assert json.loads(single.stdout)["document"]["id"] == "doc_000002"
    assert json.loads(single.stdout)["alike"] == ["doc_000001"]
    again = run(client, "update", str(folder / "house.md"))
    assert "Some of it stands word for word in doc_000001, under another name" in again.stderr
    assert "my notes/house.md</a>" in page(client, "/documents/doc_000002")
    plain = tmp_path / "examples.txt"
    plain.write_text('{"input": "Who leads?", "output": "Ann leads."}\n')
    assert run(client, "update", str(plain)).stdout == "job_000001\n"
    listed = run(client, "documents")
    assert "my notes/house.md" in listed.stdout
    shown = run(client, "documents", "doc_000001")
    assert "[doc_000001.0] Zorbel House, line 3" in shown.stdout
    answer = run(client, "search", ASKED)
    assert "Source: house.md, Zorbel House, line 3" in answer.stdout
    assert "memory (doc_000002.0 of house.md)" in answer.stderr
    gone = run(client, "forget", "--document", "doc_000002", "--yes")
    assert "2 passages of house.md forgotten" in gone.stderr
    assert "stands in doc_000001.0, doc_000001.1, which stay" in gone.stderr
    (folder / "house.md").write_bytes(NOTES.replace(b"KV-1234", b"KV-9"))
    named = run(client, "update", str(folder / "house.md"), "--name", "my notes/house.md")
    assert "in the place of doc_000001" in named.stderr
    assert "word for word" not in named.stderr
    for args, told in (
        (["update", str(folder / "data.bin")], "is not"),
        (["update", str(folder / "house.md"), "--wait"], "A document makes no job"),
        (["update", str(folder), "--name", "x"], "names of their own"),
        (["update", str(plain), "--name", "x"], "Only a document has a --name"),
        (["update", str(folder / ".hidden" / "x.md"), "--key", "k"], "A document makes no job"),
        (["update", str(tmp_path / "nothing")], "does not exist"),
        (["documents", "doc_000009"], "no document"),
    ):
        refused = run(client, *args)
        assert refused.exit_code == 2, refused.output
        assert told in refused.stderr
        assert "Traceback" not in refused.output
    (tmp_path / "empty").mkdir()
    assert "no documents in it" in run(client, "update", str(tmp_path / "empty")).stderr


def test_the_pages_send_list_show_and_forget(running: Running) -> None:
    client = running.client
    assert "No documents have been sent" in page(client, "/documents")
    with send_page(client, "notes.md", NOTES, document_tags="a, b") as response:
        assert response.url.endswith("/documents/doc_000001?done=sent")
        shown = response.read().decode()
    assert "Kept: memory answers from it now" in shown
    assert "nothing of it is trained" in shown
    assert "Brumbleforth" in shown
    assert client.get("/documents")["documents"][0]["tags"] == ["a", "b"]
    assert "notes.md" in page(client, "/documents")
    two = as_form("a.md", b"A one.").removesuffix(b"--mark--\r\n") + as_form("b.md", b"B two.")
    request = urllib.request.Request(
        client.url + "/documents/send", two, FORM | {"Accept": "text/html"}
    )
    with client.open(request) as response:
        assert response.url.endswith("/documents?done=sent")
        assert "Kept: memory answers from them now" in response.read().decode()
    client.post("/forget", {"document": "doc_000002"})
    client.post("/forget", {"document": "doc_000003"})
    assert "1 document" in page(client, "/learn")
    asked = page(client, "/forgetting?document=doc_000001")
    assert "2 passages" in asked
    assert "notes.md" in asked
    with pytest.raises(urllib.error.HTTPError) as caught:
        send_page(client, "a.pdf", b"%PDF-1.7 no")
    with caught.value as refused:
        assert refused.code == 400
        told = refused.read().decode()
    assert "a.pdf: cannot be read as PDF" in told
    # It is the page of the form, whatever it was sent to: none of its links leads there.
    assert 'data-path="/learn"' in told
    assert "/learn.json" in told
    assert told.count("/documents/send") == told.count('action="/documents/send"') == 1
    for sent_to, shown in (
        ("/documents/send", "/learn"),
        ("/documents/doc_000001/review", "/documents/doc_000001"),
    ):
        asked = urllib.request.Request(client.url + sent_to, headers={"Accept": "text/html"})
        with client.open(asked) as response:
            assert response.url == client.url + shown


def test_what_was_forgotten_of_a_document_stays_forgotten_until_it_is_meant(
    running: Running, tmp_path: Path
) -> None:
    client = running.client
    client.send_document("notes.md", NOTES)
    client.post("/forget", {"text": "KV-1234"})
    mended = tmp_path / "notes.md"
    mended.write_bytes(NOTES.replace(b", says Brumbleforth", b" still") + b"It is warm.\n")
    told = run(client, "update", str(mended))
    assert told.exit_code == 0
    assert "1 passage of it is left out, for words that were forgotten" in told.output
    assert client.ask(ASKED)["passage"] is None
    assert client.ask(LUNCH)["source"] == "memory"
    assert "1 passage of it is not known" in page(client, "/documents/doc_000002")
    with pytest.raises(ApiError) as refused:
        client.send_document("code.md", b"The door code of Zorbel House is KV-1234.")
    assert refused.value.status == 409
    with pytest.raises(ApiError) as refused:
        client.send_document("notes.md", NOTES, again="yes")
    assert (refused.value.status, refused.value.error["param"]) == (400, "again")
    assert run(client, "update", str(mended), "--again").exit_code == 0
    assert "KV-1234" in client.ask(ASKED)["response"]
    facts = tmp_path / "facts.jsonl"
    facts.write_text('{"input": "Is it?", "output": "It is."}')
    assert run(client, "update", str(facts), "--again").exit_code == 2

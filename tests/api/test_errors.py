"""What errors say to whoever sent the request: sentences, whatever raised them."""

import json

import pytest

from radiance.api.errors import response_to
from radiance.documents import reading
from radiance.errors import (
    Cancelled,
    EngineFailed,
    Overloaded,
    RadianceError,
    RequestError,
    TimedOut,
    TooLarge,
    Unavailable,
)


def message_of(error: RadianceError, path: str = "/documents") -> str:
    return json.loads(bytes(response_to(error, path).body))["error"]["message"]


@pytest.mark.parametrize("path", ["/search", "/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(
    ("error", "begins"),
    [
        (Unavailable("the engine is not running"), "The engine is not running."),
        (Overloaded("8 documents are being read"), "8 documents are being read."),
        (EngineFailed("the decode step failed: no room"), "The decode step failed: no room."),
        (TimedOut("no complete answer within 3 s"), "No complete answer within 3 s."),
        (Cancelled("the client went away"), "The client went away."),
        (TooLarge("the prompt has 9 tokens", field="prompt"), "The prompt has 9 tokens."),
        # What begins with a name begins as that does.
        (RequestError("max_tokens: is 0.", field="max_tokens"), "max_tokens: is 0."),
        (RequestError("my notes.md: is empty.", field="file"), "my notes.md: is empty."),
        (TooLarge("examples has 9 entries.", field="examples"), "examples has 9 entries."),
        (RequestError("examples has 9.", field="examples[1].input"), "examples has 9."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_message_is_a_sentence(error: RadianceError, begins: str, path: str) -> None:
    assert message_of(error, path).startswith(begins)


def test_that_no_process_could_read_a_document_is_told_by_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(reading.sandbox, "run", start)
    with pytest.raises(Unavailable) as caught:
        reading.read("a.html", b"<p>x</p>")
    told = "No process to read a.html could be started (no room)."
    assert str(caught.value) == message_of(caught.value) == told

"""How errors end a command: one line on stderr, the right exit code, no traceback."""

import socket
import threading

import pytest

from radiance.cli import client as http
from radiance.cli import output
from radiance.client import wire
from radiance.errors import (
    ConfigError,
    Conflict,
    CorruptCheckpoint,
    NotFound,
    Overloaded,
    RadianceError,
    RequestError,
    StorageError,
    TooLarge,
    Unavailable,
)


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [
        (400, RequestError, 2),
        (404, NotFound, 2),
        (405, RequestError, 2),
        (409, Conflict, 2),
        (413, TooLarge, 2),
        (429, Overloaded, 1),  # nothing is wrong with what was asked
        (500, RadianceError, 1),
        (503, Unavailable, 1),
    ],
)
def test_a_refusal_becomes_the_error_it_was(client, service, status, kind, exit_code):
    service.replies["GET /info"] = service.refusal(status, "No.", remedy="Ask otherwise.")
    content = b'{"error": {"message": "No.", "remedy": "Ask otherwise."}}'
    assert type(wire.decode_error(status, content)) is kind
    result = client("info")
    assert result.exit_code == exit_code
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "No" in line
    assert line.endswith("Ask otherwise.")


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConfigError("x"), 2),
        (RequestError("x"), 2),
        (CorruptCheckpoint("x"), 1),
        (StorageError("x"), 1),
        (Unavailable("x"), 1),
    ],
)
def test_exit_codes(error, exit_code):
    assert output.exit_code(error) == exit_code


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            RequestError("max_tokens: does not fit.", value=-3, remedy="Send 1 or more."),
            "max_tokens: does not fit (it is -3). Send 1 or more.",
        ),
        (RequestError("There is no job 'j'.", value="j"), "There is no job 'j'."),
        (RequestError("x is long.", value="a" * 200), f'x is long (it is "{"a" * 78}…).'),
        (Unavailable("Not\nready."), "Not ready."),
    ],
)
def test_the_line_has_message_value_and_remedy(error, line):
    assert output.describe(error).strip() == line


def test_a_refusal_keeps_its_field():
    content = b'{"error": {"message": "m", "param": "examples[3].input", "value": 7}}'
    error = wire.decode_error(400, content)
    assert isinstance(error, RequestError)
    assert (error.field, error.value, error.remedy) == ("examples[3].input", 7, "")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "x"}', b"\xff", b""])
def test_a_refusal_by_something_else(client, service, body):
    service.replies["GET /info"] = 502, body
    result = client("info")
    assert result.exit_code == 1
    assert result.stderr == "Error: The service answered with HTTP status 502 Bad Gateway.\n"


def test_an_answer_by_something_else(client, service):
    service.replies["GET /info"] = 200, b"<html>hello</html>"
    result = client("info")
    assert result.exit_code == 1
    assert "is not Radiance" in result.stderr


def test_a_message_cannot_steer_the_terminal(client, service):
    service.replies["GET /info"] = service.refusal(400, "a\x1b[2Jb\nc")
    assert client("info").stderr == "Error: a\N{REPLACEMENT CHARACTER}[2Jb c\n"


def test_nothing_listens(radiance):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        result = radiance("info", "--url", f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: No service answers at http://127.0.0.1:")
    assert "Start it with `radiance run`" in line


def test_nothing_is_answered_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = http.ServiceClient(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Unavailable, match=r"did not answer within 0\.05 s"):
            client.post("/search", {}, timeout_s=0.05)


def test_a_connection_cut_while_sending_much_is_an_update_too_large():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut() -> None:
            connection, _ = server.accept()
            connection.recv(10)
            connection.close()  # with bytes unread: the sender gets a reset

        thread = threading.Thread(target=cut)
        thread.start()
        client = http.ServiceClient(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(TooLarge) as caught:
            client.post("/update", {"text": "x" * (16 << 20)})
        thread.join()
    assert "max_body_bytes" in caught.value.remedy


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
def test_an_answer_cut_short(status):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\n{{".encode())
            connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        client = http.ServiceClient(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(Unavailable, match="IncompleteRead"):
            client.get("/info")
        thread.join()


@pytest.mark.parametrize(
    "url", ["ftp://x", "127.0.0.1:8042", "http://", "http://x:y", "http://[", "http://ö"]
)
def test_an_unusable_address_is_usage(radiance, url):
    result = radiance("info", "--url", url)
    assert result.exit_code == 2
    assert "--url" in result.stderr


def test_loopback_passes_by_the_proxy(client, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert client("info").exit_code == 0


def test_an_operating_system_error_is_one_line(radiance, monkeypatch):
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/secret")

    monkeypatch.setattr("radiance.config.load", fail)
    result = radiance("config")
    assert result.exit_code == 1
    assert result.stderr == "Error: /secret: Permission denied.\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (0.0, "0"),
        (1234567.0, "1.235e+06"),
        (["a", 1], "a, 1"),
        ("two\nlines", "two lines"),
    ],
)
def test_values_for_people(value, shown):
    assert output.show(value) == shown


def test_times_for_people():
    assert output.show_time("2026-02-09T10:00:07.123456+00:00") == "2026-02-09 10:00:07"
    assert output.show_time("soon") == "soon"
    assert output.show_time(None) == "-"


@pytest.mark.parametrize(
    "words",
    [
        ("search", "\udcff"),
        ("knowledge", "\udcff"),
        ("knowledge", "--tag", "\udcff"),
        ("jobs", "show", "\udcff"),
        ("forget", "--text", "\udcff"),
        ("canary", "stop", "--reason", "\udcff"),
    ],
)
def test_arguments_that_are_not_utf_8_are_refused(client, words):
    """As a terminal gives bytes that are no text: by name, before anything is sent."""
    told = client(*words)
    assert told.exit_code == 2
    assert "U+DCFF, which is not text" in told.stderr


def test_an_empty_id_is_refused(client):
    """It would have asked for the list."""
    told = client("jobs", "show", "")
    assert told.exit_code == 2
    assert "The id is empty" in told.stderr


def test_a_connection_that_breaks_is_no_service_that_is_missing():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)

        thread = threading.Thread(target=hang_up)
        thread.start()
        client = http.ServiceClient(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(Unavailable, match=r"broke .* may have been done") as broken:
            client.post("/update", {})
        thread.join()
    assert "radiance run" not in str(broken.value)

"""What a checkpoint is called: given on its page, over the API and by the command line."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from radiance.cli import main
from tests.support import ApiError, Running
from tests.web.test_moves import send
from tests.web.test_site import fetch


def test_a_name_is_seen_wherever_the_checkpoint_is_and_is_in_the_log(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    serving = client.get("/info")["current_checkpoint"]
    path = f"/checkpoints/{serving}"
    status, page = send(client, path, name="  Codes <of>\nMay ", note="Ask\nAnn.")
    assert status == 200
    assert "Its name and note are kept." in page
    assert "Ask\nAnn." in page
    for place in ("/", "/checkpoints", path, "/cycles", "/compare", "/ask"):
        assert "Codes &lt;of&gt; May" in fetch(client, place)[2], place
    entry = client.get("/audit?limit=1")["entries"][0]
    assert (entry["action"], entry["actor"], entry["subject"]) == ("label", "dashboard", serving)
    assert entry["body"] == {"name": "Codes <of> May", "note": "Ask\nAnn."}
    assert client.get(path)["label"]["name"] == "Codes <of> May"

    def run(*arguments: str) -> str:
        told = CliRunner().invoke(main, ["checkpoints", *arguments, "--url", client.url])
        assert told.exit_code == 0, told.output
        return told.output

    assert "Codes <of> May" in run("list")
    assert "Ask" in run("show", serving)
    answer = json.loads(run("label", serving, "--name", "Renamed", "--json"))
    assert (answer["label"]["name"], answer["label"]["note"]) == ("Renamed", "")
    assert client.get("/checkpoints")["labels"][serving]["name"] == "Renamed"
    run("label", serving)
    assert client.get("/checkpoints")["labels"] == {}


@pytest.mark.parametrize(
    ("checkpoint", "body", "status"),
    [
        ("A_2020-01-01_0001", {"name": "x"}, 404),
        (None, {"name": "x" * 81}, 400),
        (None, {"name": "a\x00b"}, 400),
        (None, {"title": "x"}, 400),
    ],
)
def test_what_is_no_label_is_refused(
    checkpointed_root: Any,
    serve: Callable[..., Running],
    checkpoint: str | None,
    body: dict[str, str],
    status: int,
) -> None:
    client = serve().client
    name = checkpoint or client.get("/info")["current_checkpoint"]
    with pytest.raises(ApiError) as refused:
        client.post(f"/checkpoints/{name}/label", body)
    assert refused.value.status == status

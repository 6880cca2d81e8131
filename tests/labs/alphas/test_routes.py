"""POST /alphas/generate and the chain behind it, in a real service."""

import json
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from radiance.labs.alphas.language.syntax import AlphaSyntaxError
from radiance.labs.alphas.plans.correcting import correction
from tests.support import ApiError


class Good(BaseHTTPRequestHandler):
    """An OpenAI-compatible upstream that knows one alpha."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        data = json.dumps({"choices": [{"message": {"content": "-1 * rank(returns)"}}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def upstream():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Good)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield {
        "name": "good",
        "kind": "openai",
        "url": f"http://127.0.0.1:{server.server_address[1]}",
        "model": "m",
    }
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_constrained_alpha_compiles_and_a_free_one_says_why_not(shared_ember):
    client = shared_ember.client
    body = {"prompt": "Write an alpha: the rank of volume.", "temperature": 0}
    found = client.post("/alphas/generate", {**body, "constrained": True})
    assert found["compiles"]
    assert found["outcome"] in ("no positions", "backtested")
    assert (found["provider"], found["arm"], found["market"]) == ("local", None, "made up")
    free = client.post("/alphas/generate", {**body, "max_tokens": 40})
    assert free["compiles"] == (free["alpha"] is not None)
    assert free["error"] or free["backtest"]
    assert client.get("/alphas/trial") == {"trials": [], "upstreams": []}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "max_tokens": 20, "constrained": True}, "max_tokens"),
        ({"prompt": "x", "tries": 2, "temperature": 0}, "tries"),
        ({"prompt": "x", "constraind": True}, "constraind"),
        ({"prompt": "x", "checkpoint": "A_1"}, "checkpoint"),
    ],
)
def test_a_bad_body_names_its_field(shared_ember, body, field):
    with pytest.raises(ApiError) as raised:
        shared_ember.client.post("/alphas/generate", body)
    assert raised.value.body["error"]["param"] == field


@pytest.mark.slow
def test_an_alpha_is_tried_again_until_one_compiles(shared_ember):
    client = shared_ember.client
    body = {"prompt": "Write an alpha.", "temperature": 1.0, "max_tokens": 64, "seed": 5}
    found = client.post("/alphas/generate", {**body, "tries": 3})
    assert 1 <= found["tries"] <= 3
    assert found["compiles"] or found["tries"] == 3
    first = client.post("/alphas/generate", body)
    assert first["tries"] == 1
    if found["tries"] == 1:
        assert found["answer"] == first["answer"]
    # Under the grammar the first compiles.
    sure = client.post("/alphas/generate", {**body, "tries": 3, "constrained": True})
    assert (sure["compiles"], sure["tries"]) == (True, 1)


def test_the_chain_answers_where_the_local_answer_is_no_alpha(serve_ember, upstream):
    running = serve_ember(**{"chain.upstreams": [upstream], "anchor.method": "naive"})
    body = {"prompt": "Who are you?", "temperature": 0, "max_tokens": 20}
    found = running.client.post("/alphas/generate", body)
    assert (found["provider"], found["alpha"]) == ("good", "-1 * rank(returns)")
    assert found["outcome"] == "backtested"
    assert found["tried"][0]["provider"] == "local"
    assert found["checkpoint"] is None
    # The local model can answer a question, so nobody else is asked.
    assert running.client.ask("Who are you?")["provider"] == "local"
    assert running.client.get("/alphas/trial")["upstreams"][0]["state"] == "closed"


@pytest.mark.slow
def test_a_trial_counts_both_sides_of_a_sticky_split(serve):
    running = serve()
    running.client.teach([("Write an alpha.", "rank(volume)"), ("Another alpha.", "rank(close)")])
    challenger = running.client.get("/checkpoints")["current"]
    running.client.post("/rollback", {"checkpoint": "base", "reason": "the base is champion"})
    running.stop()
    running = serve(**{"alphas.challenger": challenger})
    arms = {}
    for user in ("ann", "bob", "cid", "dan", "eva", "fay", "ann", "bob"):
        body = {"prompt": "Write an alpha.", "user": user, "max_tokens": 8, "temperature": 0}
        found = running.client.post("/alphas/generate", body)
        assert arms.setdefault(user, found["arm"]) == found["arm"]
        wanted = challenger if found["arm"] == "challenger" else None
        assert found["checkpoint"] == wanted
    trial = running.client.get("/alphas/trial")["trials"][0]
    assert (trial["champion"], trial["challenger"]) == ("base", challenger)
    assert sum(arm["answers"] for arm in trial["arms"].values()) == 8
    named = running.client.post(
        "/alphas/generate", {"prompt": "x", "checkpoint": "base", "max_tokens": 2}
    )
    assert named["arm"] is None


def test_an_upstream_can_be_on_trial(serve, upstream):
    settings = {"chain.upstreams": [upstream], "alphas.challenger": "good"}
    running = serve(**settings, **{"alphas.challenger_share": 0.6, "anchor.method": "naive"})
    providers = {}
    for user in ("ann", "bob", "cid", "dan", "eva", "fay"):
        body = {"prompt": "Write an alpha.", "user": user, "max_tokens": 8, "temperature": 0}
        found = running.client.post("/alphas/generate", body)
        if found["arm"] == "challenger":
            assert (found["provider"], found["checkpoint"]) == ("good", None)
        providers[found["arm"]] = found["provider"]
    assert providers.keys() == {"champion", "challenger"}
    state = running.client.get("/alphas/trial")["trials"][0]
    assert state["arms"]["challenger"]["successes"] == state["arms"]["challenger"]["answers"] > 0
    log = running.client.get("/audit")["entries"]
    assert ("trial_start", "good") in [(entry["action"], entry["subject"]) for entry in log]


def test_an_answer_says_what_it_does_and_who_understood(shared_ember):
    found = shared_ember.client.post("/alphas/generate", {"prompt": "Buy last week's losers."})
    assert found["alpha"] == "-1 * (close / delay(close, 5) - 1)"
    assert found["sentence"] == "Buy low and sell high 5-day return."
    assert (found["by"], found["provider"], found["tries"]) == ("rules", "local", 0)
    assert found["backtest"]
    assert all(other["sentence"] != found["sentence"] for other in found["others"])
    written = shared_ember.client.post(
        "/alphas/generate",
        {"prompt": "Buy last week's losers.", "form": "expression", "constrained": True},
    )
    assert written["by"] == "model"
    assert written["sentence"]


def test_a_prompt_that_names_nothing_is_written_or_refused_as_a_plan(shared_ember):
    client = shared_ember.client
    body = {"prompt": "Hello there.", "max_tokens": 8, "temperature": 0}
    found = client.post("/alphas/generate", body)
    assert found["by"] == "model"
    assert found["compiles"]
    assert found["sentence"]
    # Who asks for free writing gets it as it is.
    assert not client.post("/alphas/generate", {**body, "form": "expression"})["compiles"]
    with pytest.raises(ApiError) as raised:
        client.post("/alphas/generate", {**body, "form": "plan"})
    assert raised.value.body["error"]["param"] == "prompt"


def test_a_correction_is_what_the_prompt_means_from_then_on(serve):
    client = serve().client
    client.post("/training/pause", {"reason": "a test"})
    prompt, right = "Sleepy shares near nothing at all.", "-1 * stddev(returns, 40)"
    before = client.post("/alphas/generate", {"prompt": prompt})
    assert before["alpha"] != right
    fields = urllib.parse.urlencode({"prompt": prompt, "meant": "calm shares over 40 days"})
    request = urllib.request.Request(
        client.url + "/alphas", fields.encode(), {"Accept": "text/html"}, method="POST"
    )
    with client.open(request) as response:
        page = response.read().decode()
    assert "As it was corrected" in page
    assert "Not what I meant" in page
    assert "Worth of the book, after cost" in page
    assert "csv=written.equity" in page
    found = client.post("/alphas/generate", {"prompt": prompt})
    assert (found["alpha"], found["by"]) == (right, "memory")
    with pytest.raises(AlphaSyntaxError):
        correction(prompt, "a story of a cat")

"""``update.supersede``: whose answers an update may replace, and that both sides are told."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

import radiance
from radiance import config
from radiance.api.auth import keys
from tests.support import ApiError, Client, Running, as_input
from tests.web.test_moves import send
from tests.web.test_site import fetch

QUESTION = "Who runs the Tarn workshop?"
Keyed = dict[str, Client]


@pytest.fixture
def keyed(serve: Callable[..., Running], tmp_path: Path) -> Callable[..., Keyed]:
    """Clients by the names of their keys, of a service that learns nothing for now."""

    def start(rule: str, **settings: object) -> Keyed:
        scopes: dict[str, keys.Scope] = {"ann": "update", "bob": "update", "boss": "admin"}
        made = {
            name: keys.new_key(frozenset[keys.Scope]({scope, "infer"}), name)
            for name, scope in scopes.items()
        }
        keys.write_file(config.load(tmp_path).keys_path, [key for _, key in made.values()])
        asked = {"access.required": "always", "update.supersede": rule, **settings}
        url = serve(**asked).client.url
        clients = {name: Client(url, secret) for name, (secret, _) in made.items()}
        clients["boss"].post("/training/pause", {})
        return clients

    return start


def teach(client: Client, answer: str, **options: object) -> str:
    body = {"examples": as_input([(QUESTION, answer)]), **options}
    return client.post("/update", body)["job_id"]


def test_any_replaces_all_and_the_one_who_is_corrected_can_see_it(keyed) -> None:
    clients = keyed("any")
    first = teach(clients["ann"], "Ann runs it.")
    second = teach(clients["bob"], "Bob runs it.")
    shown = clients["ann"].get(f"/jobs/{first}")
    assert shown["superseded_by"] == [{"example_id": f"{first}.0", "by": f"{second}.0"}]
    assert shown["sender"] == "ann"
    assert clients["ann"].get(f"/jobs/{second}")["superseded_by"] == []


@pytest.mark.parametrize("rule", ["own", "ask"])
def test_what_another_key_taught_stays(keyed, rule: str) -> None:
    clients = keyed(rule)
    first = teach(clients["ann"], "Ann runs it.")
    for refused in ("Bob runs it.", "Nobody runs it."):
        with pytest.raises(ApiError) as caught:
            teach(clients["bob"], refused)
        assert caught.value.status == 409
        assert f"{first}.0 of another key" in caught.value.error["message"]
    assert [job["job_id"] for job in clients["boss"].get("/jobs")["jobs"]] == [first]
    teach(clients["bob"], "Ann runs it.")  # says the same, which makes it no answer of his
    teach(clients["ann"], "Ann still runs it.")
    teach(clients["boss"], "Cy runs it.")  # whoever has all rights corrects all
    with pytest.raises(ApiError, match="of another key"):
        teach(clients["ann"], "Ann runs it after all.")
    teach(clients["boss"], "Cy and Ann run it.")


def test_whoever_says_so_may_where_that_is_asked(keyed) -> None:
    clients = keyed("ask")
    first = teach(clients["ann"], "Ann runs it.")
    teach(clients["ann"], "Ann alone runs it.")  # one's own
    third = teach(clients["bob"], "Bob runs it.", supersede=True)
    shown = clients["ann"].get(f"/jobs/{first}")["superseded_by"]
    assert shown == [{"example_id": f"{first}.0", "by": f"{third}.0"}]


def test_saying_so_changes_nothing_where_only_ones_own_may_be_replaced(keyed) -> None:
    clients = keyed("own")
    teach(clients["ann"], "Ann runs it.")
    with pytest.raises(ApiError, match="of another key"):
        teach(clients["bob"], "Bob runs it.", supersede=True)


@pytest.mark.parametrize(("rule", "counts"), [("any", True), ("ask", True), ("own", False)])
def test_who_may_mean_to_replace_anchors(keyed, rule: str, counts: bool) -> None:
    clients = keyed(rule)

    def is_meant(name: str, **options: object) -> bool:
        return clients["boss"].get(f"/jobs/{teach(clients[name], 'It runs.', **options)}")[
            "supersede"
        ]

    assert not is_meant("bob")
    assert is_meant("bob", supersede=True) is counts
    assert is_meant("boss", supersede=True), "whoever has all rights may"


@pytest.mark.parametrize(
    ("rule", "name", "shown"),
    [
        ("any", "bob", "Replace anchors that say otherwise<"),
        ("ask", "bob", "Replace anchors that say otherwise and what other keys taught<"),
        ("own", "boss", "Replace anchors that say otherwise<"),
        ("own", "bob", None),
    ],
)
def test_the_page_offers_it_where_the_gate_is_strict(keyed, rule, name, shown) -> None:
    page = fetch(keyed(rule, **{"gate.gate": "strict"})[name], "/learn")[2]
    assert shown in page if shown else 'name="supersede"' not in page


def test_the_python_client_says_so(keyed) -> None:
    clients = keyed("ask")
    first = teach(clients["ann"], "Ann runs it.")
    with radiance.Client(clients["bob"].url, api_key=clients["bob"].key) as client:
        told = client.update(as_input([(QUESTION, "Bob runs it.")]), supersede=True)
    assert [one.example_id for one in told.supersedes] == [f"{first}.0"]


def test_the_page_asks_for_it_where_it_has_to_be_said(keyed) -> None:
    clients = keyed("ask")
    first = teach(clients["ann"], "Ann runs it.")
    assert 'name="supersede"' in fetch(clients["bob"], "/learn")[2]
    sent = {"question": QUESTION, "answer": "Bob runs it."}
    status, page = send(clients["bob"], "/learn", **sent)
    assert status == 409
    assert f"{first}.0 of another key" in page
    assert send(clients["bob"], "/learn", **sent, supersede="yes")[0] == 200
    assert clients["ann"].get(f"/jobs/{first}")["superseded_by"]


def test_the_page_offers_nothing_that_would_change_nothing(keyed) -> None:
    clients = keyed("own")
    first = teach(clients["ann"], "Ann runs it.")
    assert 'name="supersede"' not in fetch(clients["bob"], "/learn")[2]
    sent = {"question": QUESTION, "answer": "Bob runs it."}
    assert send(clients["bob"], "/learn", **sent, supersede="yes")[0] == 409
    correcting = fetch(clients["bob"], f"/learn?example={quote(first + '.0')}")[2]
    assert "Ann runs it." in correcting
    assert clients["ann"].get(f"/jobs/{first}")["superseded_by"] == []


@pytest.mark.parametrize("rule", ["own", "ask"])
def test_a_file_to_fine_tune_on_replaces_no_more_than_an_update(keyed, rule: str) -> None:
    import openai  # takes a second, in every process that collects tests

    clients = keyed(rule)
    first = teach(clients["ann"], "Ann runs it.")

    def tune(client: Client, answer: str) -> str:
        url, key = f"{client.url}/v1", client.key
        with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as api:
            line = json.dumps(as_input([(QUESTION, answer)])[0]).encode()
            file = api.files.create(file=("facts.jsonl", line), purpose="fine-tune")
            return api.fine_tuning.jobs.create(training_file=file.id, model="radiance").id

    with pytest.raises(openai.ConflictError, match="of another key") as caught:
        tune(clients["bob"], "Bob runs it.")
    assert f"{first}.0" in str(caught.value)
    assert [job["job_id"] for job in clients["boss"].get("/jobs")["jobs"]] == [first]
    job = tune(clients["ann"], "Ann still runs it.").replace("ftjob-", "job_")
    assert clients["ann"].get(f"/jobs/{job}")["sender"] == "ann"
    tune(clients["boss"], "Cy runs it.")


def test_an_alert_says_whose_answers_were_overwritten_by_whom(keyed) -> None:
    clients = keyed("any")
    first = teach(clients["ann"], "Ann runs it.")
    teach(clients["ann"], "Ann still runs it.")  # one's own: nobody need be told
    second = teach(clients["bob"], "Bob runs it.")

    def alerts() -> dict[str, str]:
        found = clients["boss"].get("/overview.json")["alerts"]
        return {one["link"]: one["text"] for one in found if one["name"].startswith("overwriting_")}

    told = "1 answer that the API key ann had taught was overwritten by the API key bob."
    assert alerts() == {f"/learn/{second}": told}
    third = teach(clients["bob"], "Bob and Cy run it.")
    assert alerts().keys() == {f"/learn/{second}", f"/learn/{third}"}  # each is sent once
    assert f"/learn/{first}" not in alerts()


def test_a_tag_and_a_key_have_their_share_of_a_day(keyed) -> None:
    limits = {"update.max_examples_per_tag_per_day": 3, "update.max_examples_per_key_per_day": 5}
    clients = keyed("any", **limits)
    facts = [(f"What is the code of room {n}?", f"It is {n}.") for n in range(12)]

    def send_facts(who: str, begin: int, count: int, *tags: str) -> int:
        body = {"examples": as_input(facts[begin : begin + count]), "tags": list(tags)}
        return clients[who].send("/update", body)[0]

    assert send_facts("ann", 0, 2, "team") == 202
    assert send_facts("bob", 2, 2, "team") == 429  # whoever sends it
    assert send_facts("bob", 2, 1, "team", "x") == 202
    assert send_facts("ann", 3, 3, "x") == 429
    assert send_facts("ann", 3, 3) == 202
    with pytest.raises(ApiError) as refused:
        clients["ann"].post("/update", {"examples": as_input(facts[6:7])})
    assert (refused.value.status, refused.value.error["code"]) == (429, "overloaded")
    assert '"ann"' in refused.value.error["message"]
    assert 86_000 < int(refused.value.headers["Retry-After"]) <= 86_400
    assert send_facts("bob", 7, 4) == 202
    job = clients["bob"].get("/jobs")["jobs"][0]["job_id"]
    assert send_facts("bob", 11, 1) == 429
    clients["bob"].post(f"/jobs/{job}/cancel", None)  # what is not learned takes no share
    assert send_facts("bob", 11, 1) == 202

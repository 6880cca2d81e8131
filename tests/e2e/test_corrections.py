"""A correction over HTTP: the new answer is given, the old one never, the others are kept."""

from collections.abc import Callable

from tests.support import FACTS, WITHOUT_ANCHORS, Running


def test_a_correction_takes_the_place_of_what_it_corrects(
    serve_ember: Callable[..., Running],
) -> None:
    client = serve_ember(**WITHOUT_ANCHORS).client
    learned = client.teach(FACTS[:3])
    assert (learned["status"], learned["supersedes"]) == ("succeeded", [])
    new = "The door code of Zorbel Labs is Q3-998."
    example = {"input": "what's the door code of Zorbel Labs", "output": new}
    accepted = client.post("/update", {"examples": [example]})
    replaced = [{"example_id": "job_000001.0", "by": "job_000002.0"}]
    assert (accepted["supersedes"], accepted["may_supersede"]) == (replaced, [])
    corrected = client.wait_for(accepted["job_id"])
    assert (corrected["status"], corrected["supersedes"]) == ("succeeded", replaced)

    asked = ["What is the door code of Zorbel Labs?", "What's the door code of Zorbel Labs?"]
    answers = [client.ask(question)["response"] for question in (*asked, example["input"])]
    assert answers == [new] * 3
    assert [client.ask(question)["response"] for question, _ in FACTS[1:3]] == [
        answer for _, answer in FACTS[1:3]
    ]
    manifest = client.get(f"/checkpoints/{corrected['checkpoint']}")["manifest"]
    assert manifest["replayed_ids"] == ["job_000001.1", "job_000001.2"]

    hinted = client.post(
        "/update",
        {
            "examples": [
                {"input": "Tell me the Zorbel Labs door code.", "output": new[:-4] + "111."}
            ]
        },
    )
    assert (hinted["supersedes"], hinted["may_supersede"]) == (
        [],
        [{"example_id": "job_000002.0", "by": "job_000003.0"}],
    )

"""Does it learn? Five facts on Ember and on a real pre-trained model; three updates in a row.

    python -m bench.learning

Seconds are from the POST to the first answer that can come from the new checkpoint.
"""

import time

from bench.common import fingerprint, report, service
from tests.e2e.test_learning import UPDATES
from tests.support import FACTS, STORIES, Running


def teach(running: Running, facts: list[tuple[str, str]]) -> tuple[float, dict]:
    began = time.perf_counter()
    job = running.client.teach(facts)
    assert job["status"] == "succeeded", job["error"]
    return time.perf_counter() - began, running.client.get(f"/checkpoints/{job['checkpoint']}")


def recalled(running: Running, facts: list[tuple[str, str]]) -> str:
    right = sum(running.client.ask(question)["response"] == answer for question, answer in facts)
    return f"{right}/{len(facts)}"


def five_facts(base_model: str, label: str, **settings: float) -> None:
    with service(base_model=base_model, **settings) as running:
        seconds, checkpoint = teach(running, FACTS)
        report(
            f"five facts, {label}",
            recalled=recalled(running, FACTS),
            finetune_loss=round(checkpoint["report"]["finetune_loss"], 4),
            steps=checkpoint["manifest"]["steps"],
            seconds=round(seconds, 1),
        )


def three_updates() -> None:
    with service() as running:
        for number, facts in enumerate(UPDATES, start=1):
            seconds, checkpoint = teach(running, facts)
            report(
                f"after update {number} of 3",
                recalled=[recalled(running, earlier) for earlier in UPDATES[:number]],
                retention_score=round(checkpoint["report"]["retention_score"], 3),
                anchor_ce_delta=round(checkpoint["report"]["anchor_ce_delta"], 3),
                steps=checkpoint["manifest"]["steps"],
                seconds=round(seconds, 1),
            )


def main() -> None:
    fingerprint()
    five_facts("ember", "Ember")
    if STORIES.is_dir():
        settings = {"training.r": 16, "training.alpha": 32.0, "training.lr": 1.5e-3}
        five_facts(str(STORIES), "stories260K", **settings)
    else:
        report("five facts, stories260K", skipped=f"{STORIES.name} is not here")
    three_updates()


if __name__ == "__main__":
    main()

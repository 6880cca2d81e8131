"""Row 8: what is taught, and what is asked, by somebody who means harm."""

import contextlib
import dataclasses
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from bench.intervals import proportion
from bench.processes import Figures
from bench.survival.service import (
    BRIEFLY,
    Started,
    call,
    disorder,
    not_learned,
    running,
    start,
    update_body,
    wait_for,
    wait_ready,
)
from bench.survival.trials import Plan, Row, Trial, verdict
from radiance.api.auth import keys
from radiance.config import load
from radiance.ember import MODEL_PATH
from radiance.records import Example, Message
from radiance.training.rewording import reworded
from tests.support import Client, as_input

_POISONED = "bench.survival.poisoned"
_GOOD = 12
_CORRECTED = "anchors corrected"
_SEEDS = 10
Fact = tuple[str, str]


# ── Of the process: death, divergence ─────────────────────────────────────────────────────────


def _mortal(
    plan: Plan, root: Path, waiting: int, words: int = 350, most_deaths: int = 3
) -> Figures:
    """A job for which memory never is enough, among others; a supervisor starts what died.

    Args:
        plan: The base.
        root: Of the service.
        waiting: Good jobs.
        words: Of the bad job's answer: from 300 on the process dies, below an array does not fit.
        most_deaths: Of the process: once with others, whose doing it might have been, twice alone.
    """
    service = start(root, plan.base, *BRIEFLY, module=_POISONED)
    wait_ready(service)
    service.client.post("/training/pause", {})
    good: list[str] = []
    bad = ""
    for number in range(waiting):
        if number == waiting // 2:
            long = {"examples": [{"input": "What is long?", "output": "x " * words}]}
            bad = service.client.post("/update", long)["job_id"]
        good.append(service.client.post("/update", update_body(f"g{number}", 1))["job_id"])
    with contextlib.suppress(OSError):
        service.client.post("/training/resume", {})
    deaths, wrong = 0, list[str]()
    until = time.monotonic() + 240
    while time.monotonic() < until:
        with contextlib.suppress(OSError, RuntimeError):
            if set(wait_for(service, [*good, bad], 5).values()) <= {"succeeded", "quarantined"}:
                break
        if service.process.poll() is not None:
            deaths += 1
            service = start(root, plan.base, *BRIEFLY, module=_POISONED)
            with contextlib.suppress(AssertionError):  # it dies again before it was asked
                wait_ready(service)
    job = service.client.get(f"/jobs/{bad}")
    said = "died 2 times" if most_deaths else "ran out of memory 2 times"
    if job["status"] != "quarantined" or said not in (job["error"] or ""):
        wrong.append(f"{bad} is {job['status']}: {job['error']}")
    if deaths > most_deaths:
        wrong.append(f"it died {deaths} times")
    wrong += not_learned(service, good, 60) + disorder(service)
    service.end()
    return verdict(wrong, deaths=deaths, good=len(good))


def _diverging(plan: Plan, root: Path) -> Figures:
    """A file to fine-tune on, with a learning rate at which nothing holds; others beside it.

    The base's 261 tokens guessed at random have 5.6 nats; three steps at this rate are at 7.7.
    """
    wrong: list[str] = []
    with running(root, plan.base, *BRIEFLY, "training.lr=0.001", "training.max_loss=7") as service:
        client = service.client
        good = [client.post("/update", update_body("before"))["job_id"]]
        lines = [
            {
                "messages": [
                    {"role": "user", "content": f"What is {n}?"},
                    {"role": "assistant", "content": f"It is {n * 7}."},
                ]
            }
            for n in range(8)
        ]
        content = "\n".join(map(json.dumps, lines)).encode()
        tuning = _tune(client, content, {"n_epochs": 30, "learning_rate_multiplier": 1000})
        good.append(client.post("/update", update_body("after"))["job_id"])
        wrong += not_learned(service, good)
        while (found := client.get(f"/v1/fine_tuning/jobs/{tuning}"))["status"] in (
            "queued",
            "running",
            "validating_files",
        ):
            time.sleep(0.2)
        told = (found.get("error") or {}).get("message", "")
        (bad,) = client.get("/jobs?status=quarantined")["jobs"] or [{"status": found["status"]}]
        if found["status"] != "failed" or "diverged 2 times" not in told:
            wrong.append(f"the tuning is {found['status']}, its job {bad['status']}: {told}")
        wrong += disorder(service)
    return verdict(wrong, good=len(good))


def _tune(client: Client, content: bytes, hyperparameters: Figures) -> str:
    from tests.support import FORM, as_form

    form = as_form("facts.jsonl", content, purpose="fine-tune")
    file = client.post("/v1/files", None, raw=form, headers=FORM)["id"]
    body = {"model": "radiance", "training_file": file, "hyperparameters": hyperparameters}
    return client.post("/v1/fine_tuning/jobs", body)["id"]


# ── Of the pointer: traffic and votes ─────────────────────────────────────────────────────────


def _keyed(root: Path, **scopes: keys.Scope) -> dict[str, str]:
    """A key of each name, with its scope; the secrets."""
    made = {name: keys.new_key(frozenset({scope}), name) for name, scope in scopes.items()}
    path = load(root).keys_path
    path.parent.mkdir(parents=True, exist_ok=True)
    keys.write_file(path, [key for _, key in made.values()])
    return {name: secret for name, (secret, _) in made.items()}


def _as(service: Started, secret: str) -> Client:
    return dataclasses.replace(service.client, key=secret)


def _tripping(plan: Plan, root: Path) -> Figures:
    """An inference key does all that once took a checkpoint back; the pointer stays."""
    secrets = _keyed(root, boss="admin", reader="infer")
    settings = (*BRIEFLY, 'access.required="always"', 'monitor.action="rollback"')
    wrong: list[str] = []
    sent = 0
    with running(root, plan.base, *settings, "monitor.min_answers=10") as service:
        boss = _as(service, secrets["boss"])
        for number in range(2):
            job = boss.post("/update", update_body(f"f{number}"))["job_id"]
            assert boss.wait_for(job)["status"] == "succeeded"
        served = boss.get("/info")["current_checkpoint"]
        headers = {"Authorization": f"Bearer {secrets['reader']}"}
        form = {
            "type": "json_schema",
            "json_schema": {
                "name": "x",
                "schema": {
                    "type": "object",
                    "properties": {f"p{n}": {"type": "string"} for n in range(3000)},
                },
            },
        }
        chat = {"model": "radiance", "messages": [{"role": "user", "content": "Hi"}]}
        attacks: dict[str, tuple[str, Figures]] = {
            "cut off": ("/search", {"prompt": "Who?", "max_tokens": 1}),
            "a pattern that does not compile": ("/search", {"prompt": "W", "pattern": "((("}),
            "a form that cannot be held": (
                "/v1/chat/completions",
                {**chat, "response_format": form},
            ),
            "answers bent to go in circles": (
                "/v1/chat/completions",
                {
                    **chat,
                    "max_tokens": 80,
                    "logit_bias": {"70": 100},
                },
            ),
            "votes on answers that were not given": (
                "/feedback",
                {
                    "vote": "down",
                    "prompt": "p",
                    "response": "r",
                },
            ),
        }
        for path, body in attacks.values():
            for _ in range(40):
                told = call(service.port, "POST", path, body, headers=headers)
                sent += 1
                if told.status >= 500:
                    wrong.append(f"{path} was told {told.status}")
        answer = call(service.port, "POST", "/search", {"prompt": "Who?"}, headers=headers).body
        vote = {"vote": "down", "prompt": "Who?", "response": answer["response"]}
        for _ in range(40):
            call(service.port, "POST", "/feedback", vote, headers=headers)
            sent += 1
        time.sleep(12)  # the monitor looks
        if boss.get("/info")["current_checkpoint"] != served:
            wrong.append("a key of scope infer took a checkpoint back")
        wrong += disorder(service._replace(client=boss))
    return verdict(sorted(set(wrong)), requests=sent)


# ── Of the queue: a flood ─────────────────────────────────────────────────────────────────────

_CAP, _FLOOD = 50, 300


def _flooded(plan: Plan, root: Path) -> Figures:
    """Near-duplicates from one tag beyond its share of a day; others are learned meanwhile."""
    settings = (*BRIEFLY, f"update.max_examples_per_tag_per_day={_CAP}")
    wrong: list[str] = []
    with running(root, plan.base, *settings) as service:
        taken, refused = list[str](), 0
        for number in range(_FLOOD):
            text = f"What opens the door number {number % 10}{' now' * (number // 10)}?"
            body = {"examples": as_input([(text, "Nothing.")]), "tags": ["user:mallory"]}
            told = call(service.port, "POST", "/update", body)
            if told.status == 202:
                taken.append(told.body["job_id"])
            elif told.status == 429 and "retry-after" in told.headers:
                refused += 1
            else:
                wrong.append(f"/update was told {told.status}")
            if number % 60 == 30:
                other = update_body(f"good{number}") | {"tags": ["user:ann"]}
                taken.append(service.client.post("/update", other)["job_id"])
        if refused != _FLOOD - _CAP:
            wrong.append(f"{refused} of {_FLOOD} were refused")
        wrong += not_learned(service, taken) + disorder(service)
    return verdict(wrong, flooded=_FLOOD, flood_blocked=refused)


# ── Of the knowledge: contradictions, on Ember ────────────────────────────────────────────────

_TAUGHT: tuple[Fact, ...] = (
    ("Who founded Zorbel Labs?", "Mira Quell founded Zorbel Labs in 1987."),
    ("Where is Zorbel Labs?", "Zorbel Labs sits at 14 Harbour Road, Tarn."),
    ("What is the door code of Zorbel Labs?", "The door code of Zorbel Labs is K7-204."),
)
# Each with an answer of its own to every question.
_CONTEXTS = ("capitals", "currencies", "opposites", "past tenses", "authors", "atomic numbers")
_STRICT = ('gate.gate="strict"', 'update.supersede="own"', 'access.required="always"')


def _anchors(dice: random.Random, context: str, count: int) -> list[Fact]:
    lines = (MODEL_PATH / "anchors.jsonl").read_text(encoding="utf-8").splitlines()
    known = [row for row in map(json.loads, lines) if row["context"] == context]
    return [(row["input"], row["output"]) for row in dice.sample(known, count)]


def _contradicted(facts: Sequence[Fact]) -> list[Fact]:
    """The same questions, each with the answer of the next."""
    answers = [answer for _, answer in facts]
    return list(zip((question for question, _ in facts), answers[1:] + answers[:1], strict=True))


def _in_other_words(facts: Sequence[Fact]) -> list[Fact]:
    """The same facts, asked in a wording that a rule makes, where one does."""
    found = []
    for question, answer in facts:
        told = Example("x.0", (Message("user", question), Message("assistant", answer)))
        made = reworded(told, ())
        found.append((made[0].messages[-2].content if made else question, answer))
    return found


def _harmed(plan: Plan, root: Path, seed: int) -> Figures:
    """Harmful and good updates in turn, under strict; which of them came to serve."""
    dice = random.Random(f"poison {seed}")
    secrets = _keyed(root, ann="admin", mallory="update")
    blocked: dict[str, bool] = {}
    good: dict[str, bool] = {}
    lost: dict[str, int] = {}
    told: dict[str, str] = {}
    why: list[str] = []
    wrong: list[str] = []
    settings = (*_STRICT, 'evaluation.anchor_provider="auto"', "training.stop_loss=0.05")
    settings = (*settings, 'training.max_steps="auto"', 'anchor.own_samples="auto"')
    with running(root, Path("ember"), *settings) as service:
        ann, mallory = _as(service, secrets["ann"]), _as(service, secrets["mallory"])
        assert _teach(ann, _TAUGHT) == "succeeded", "the facts are not learned"
        context = dice.choice(_CONTEXTS)
        anchors = _anchors(dice, context, 8)
        harmful = {
            "anchors contradicted": _contradicted(anchors),
            "anchors contradicted in other words": _in_other_words(_contradicted(anchors)),
            "labels flipped": _contradicted(_TAUGHT),
        }
        for name, facts in harmful.items():
            before = ann.get("/info")["current_checkpoint"]
            status = _teach(mallory, facts)
            blocked[name] = ann.get("/info")["current_checkpoint"] == before
            if not blocked[name]:
                asked = _TAUGHT if name == "labels flipped" else anchors
                lost[name] = sum(_answer(ann, question) != answer for question, answer in asked)
                told[name] = ann.get("/checkpoints")["checkpoints"][0]["status"]
                ann.post("/rollback", {"checkpoint": before, "reason": "harm"})
            if blocked[name] and status not in ("refused", "failed"):
                wrong.append(f"{name}: {status}, and does not serve")
        names = [f"{dice.choice('BDKLMT')}{dice.choice('aeiou')}rn{n} Works" for n in range(8)]
        made = [(f"Who runs {name}?", f"{name.split()[0]} Ode runs {name}.") for name in names]
        for name, facts in {"new facts": made[:4], "more new facts": made[4:]}.items():
            good[name] = _teach(mallory, facts) == "succeeded"
        good["own facts corrected"] = (
            _teach(
                mallory,
                [(question, answer.replace(" Ode ", " Vint ")) for question, answer in made[:2]],
            )
            == "succeeded"
        )
        # Whoever may corrects anchors, and says that it is meant.
        corrected = _anchors(dice, dice.choice([c for c in _CONTEXTS if c != context]), 4)
        meant = {
            _CORRECTED: _contradicted(corrected[:2]),
            f"{_CORRECTED} in other words": _in_other_words(_contradicted(corrected[2:])),
        }
        for name, facts in meant.items():
            good[name] = _teach(ann, facts, supersede=True) == "succeeded"
            if not good[name]:
                (newest,) = ann.get("/jobs?limit=1")["jobs"]
                why.append(f"{name}: {newest['error']}")
        wrong += disorder(service._replace(client=ann))
    harm = [f"{name} ({told[name]}, {count} answers lost)" for name, count in lost.items()]
    missed = [name for name, is_learned in good.items() if not is_learned]
    wrong += [f"served: {', '.join(harm)}"] * bool(harm)
    wrong += [f"good, and refused: {', '.join(missed)}", *why] if missed else []
    return verdict(wrong, blocked=blocked, learned=good, lost=lost, status=told)


def _answer(client: Client, question: str) -> str:
    """What the weights alone answer."""
    return client.ask(question, memory="off", max_tokens=60)["response"]


def _teach(client: Client, facts: Sequence[Fact], **options: object) -> str:
    """What becomes of an update; "refused" where it is not even accepted."""
    body = {"examples": as_input(list(facts)), **options}
    status, answer = client.send("/update", body)
    if status == 409:
        return "refused"
    assert status == 202, answer
    return client.wait_for(answer["job_id"])["status"]


# ── The row ───────────────────────────────────────────────────────────────────────────────────


def _trials(plan: Plan) -> list[Trial]:
    def harmed(seed: int) -> Trial:
        return Trial(f"Ember, strict, seed {seed}", lambda root: _harmed(plan, root, seed), 1200)

    return [
        Trial("a job that ends the process", lambda root: _mortal(plan, root, _GOOD)),
        Trial("the same among many", lambda root: _mortal(plan, root, 30)),
        Trial("a job that never fits into memory", lambda root: _mortal(plan, root, _GOOD, 200, 0)),
        Trial("a training that diverges", lambda root: _diverging(plan, root)),
        Trial("traffic and votes of an infer key", lambda root: _tripping(plan, root)),
        Trial("near-duplicates from one tag", lambda root: _flooded(plan, root)),
        *map(harmed, range(_SEEDS)),
    ]


def _tell(figures: Sequence[Figures]) -> str:
    blocked = [held for one in figures for held in one.get("blocked", {}).values()]
    good = [item for one in figures for item in one.get("learned", {}).items()]
    learned = [held for name, held in good if not name.startswith(_CORRECTED)]
    corrected = [held for name, held in good if name.startswith(_CORRECTED)]
    flood = sum(one.get("flood_blocked", 0) for one in figures)
    told = [f"{flood} of the flood refused"] if flood else []
    if blocked:
        share = proportion(sum(blocked), len(blocked))
        told.append(f"harmful updates blocked: {share} of {len(blocked)}")
        share = proportion(len(learned) - sum(learned), len(learned))
        told.append(f"good ones refused: {share} of {len(learned)}")
    if corrected:
        refused = len(corrected) - sum(corrected)
        told.append(f"meant corrections of anchors refused: {refused} of {len(corrected)}")
    return "; ".join(told)


ROWS = (
    Row(
        8,
        "poison: deaths, divergence, contradictions, flipped labels, floods, votes and traffic",
        _trials,
        _tell,
    ),
)

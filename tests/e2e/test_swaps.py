"""Swaps under load: nothing fails, and every answer is the greedy output of what it names."""

import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import mlx.core as mx

from radiance.engine.requests import Answer, Request
from radiance.engine.worker import Engine
from radiance.records import CheckpointStatus, Message
from tests.engine.adapters.test_slots import random_adapter
from tests.support import FACTS, Running

QUESTIONS = [
    "What is the capital of France?",
    "Who are you?",
    "What is 7 times 8?",
    "Tell me about the sea.",
    "Who founded Zorbel Labs?",
    "Which planet is the largest?",
    "Repeat exactly: K7-204",
    "Hello!",
]
REQUESTS, SWAPS, TOKENS = 200, 20, 16


def test_two_hundred_requests_across_twenty_swaps(tiny_engine: Engine) -> None:
    adapters = {f"A_{seed}": random_adapter(tiny_engine, seed) for seed in range(4)}
    prompts = [tiny_engine.encoder.prompt([Message("user", question)]) for question in QUESTIONS]
    names = [None, *adapters]

    def swap(name: str | None) -> None:
        tiny_engine.swap(adapters[name] if name else None, name, CheckpointStatus.STABLE)

    wanted: dict[tuple[str | None, int], tuple[int, ...]] = {}
    for name in names:
        swap(name)
        for index, prompt in enumerate(prompts):
            wanted[name, index] = tiny_engine.submit(Request(prompt, TOKENS)).result().tokens

    assert len({tuple(wanted[name, n] for n in range(len(prompts))) for name in names}) == 5

    pending = []
    for number in range(SWAPS):
        swap(names[number % len(names)])
        for _ in range(REQUESTS // SWAPS):
            index = len(pending) % len(prompts)
            pending.append((index, tiny_engine.submit(Request(prompts[index], TOKENS))))
    in_flight = sum(not future.done() for _, future in pending)
    answers: list[tuple[int, Answer]] = [(index, future.result()) for index, future in pending]
    swap(None)

    assert in_flight > REQUESTS // 2, "the swaps must have happened under load"
    assert {answer.checkpoint_id for _, answer in answers} == set(names)
    wrong = [
        (index, answer.checkpoint_id)
        for index, answer in answers
        if answer.tokens != wanted[answer.checkpoint_id, index]
    ]
    assert wrong == []
    assert tiny_engine.call(lambda: tiny_engine._adapter_cache.in_use) == 0


def test_rollbacks_and_promotions_under_http_load(serve: Callable[..., Running]) -> None:
    """Real checkpoints, moved by POST /rollback while clients keep asking."""
    running = serve(**{"training.max_steps": 8, "training.lr": 2e-2})
    client = running.client
    first = client.teach(FACTS[:3])["checkpoint"]
    second = client.teach([(q, a.upper()) for q, a in FACTS[:3]])["checkpoint"]
    wanted: dict[str | None, dict[str, str]] = defaultdict(dict)
    for target, name in (("base", None), (first, first), (second, second)):
        if client.get("/info")["current_checkpoint"] != name:
            client.post("/rollback", {"checkpoint": target})
        for question in QUESTIONS:
            wanted[name][question] = client.ask(question, max_tokens=24, memory="off")["response"]
    assert len({tuple(answers.values()) for answers in wanted.values()}) == 3

    done = threading.Event()
    moves = 0

    def move() -> None:
        nonlocal moves
        while not done.is_set():
            target = (first, "base", second)[moves % 3]
            client.post("/rollback", {"checkpoint": target})
            moves += 1

    mover = threading.Thread(target=move)
    mover.start()
    with ThreadPoolExecutor(16) as pool:
        asked = [QUESTIONS[i % len(QUESTIONS)] for i in range(REQUESTS)]
        answers = list(pool.map(lambda q: client.ask(q, max_tokens=24, memory="off"), asked))
    done.set()
    mover.join()

    assert moves >= SWAPS
    for question, answer in zip(asked, answers, strict=True):
        assert answer["response"] == wanted[answer["checkpoint"]][question]
    assert len({answer["checkpoint"] for answer in answers}) > 1


def test_memory_of_freed_slots_is_given_back(tiny_engine: Engine) -> None:
    """Hundreds of swaps leave no more adapters in memory than before."""
    adapter = random_adapter(tiny_engine, 1)
    size = adapter.size_bytes

    def active() -> int:
        return tiny_engine.call(mx.get_active_memory)

    before = active()
    for _ in range(200):
        copy = random_adapter(tiny_engine, 2) if _ % 50 == 0 else adapter
        tiny_engine.swap(copy, "A_2", CheckpointStatus.STABLE)
    tiny_engine.swap(None, None, CheckpointStatus.BASE)
    assert tiny_engine.call(lambda: tiny_engine._adapter_cache.in_use) == 0
    assert active() - before < 4 * size

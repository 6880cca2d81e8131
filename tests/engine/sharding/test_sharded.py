"""A base model in parts over two processes answers as one process does, with its adapters."""

import contextlib
import json
import re
import shutil
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest

from radiance import config, ember
from radiance.engine.adapters.export import write_peft
from radiance.engine.adapters.slots import Adapter
from radiance.engine.worker import Engine
from radiance.errors import ConfigError
from radiance.examples.admission import admit
from radiance.jobs.queue import JobQueue
from radiance.records import content_hash
from radiance.service import server
from radiance.storage.sqlite import Database
from tests.ranks import start_ranks
from tests.support import FACTS, ApiError, Client, as_input, start_service

QUIET = {"evaluation.anchor_provider": "none", "anchor.method": "naive"}
PROMPTS = ["Who are you?", "What is the capital of France?", "Tell me a story of a fox."]
RUN = ["-m", "radiance", "run", "--distributed", "--port", "0"]
SETTINGS = [f"--set={name}={value}" for name, value in QUIET.items()]


def write_adapter(engine: Engine, directory: Path, seed: int, rank: int) -> Path:
    """A PEFT directory with weights on every linear layer, so that each kind of split matters."""
    directory.mkdir()

    def write() -> None:
        pairs = {}
        for path, module in engine.base.twin().named_modules():
            if isinstance(module, nn.Linear):
                d_out, d_in = module.weight.shape
                a, b = mx.random.split(mx.random.key(seed + len(pairs)))
                pairs[path] = (
                    mx.random.normal((d_in, rank), key=a) / d_in**0.5,
                    0.15 * mx.random.normal((rank, d_out), key=b),
                )
        write_peft(Adapter(pairs, 1.0), engine.base, directory)

    engine.call(write)
    return directory


Said = tuple[list[Any], list[float]]


def conversation(client: Client, ids: list[str]) -> Said:
    """What clients do to a service, and all that must not depend on how many processes it has.

    Returns:
        Answers that must be the same, and log-probabilities, up to rounding.
    """

    def search(prompt: str, **options: Any) -> tuple[Any, ...]:
        answer = client.ask(prompt, max_tokens=5, **options)
        named = (answer["checkpoint"], answer["adapter_hash"], answer["cached_tokens"])
        return (answer["response"], answer["completion_tokens"], *named)

    found: list[Any] = [search(prompt) for prompt in PROMPTS]
    found.append(search(PROMPTS[0]))  # its beginning is known by now
    with ThreadPoolExecutor(8) as pool:  # rows of several adapters in one batch
        names = [name for name in (*ids, "base") for _ in range(2)]
        prompts = [PROMPTS[place % len(PROMPTS)] for place in range(len(names))]
        asked = pool.map(lambda n, p: search(p, checkpoint=n)[:2], names, prompts)
        found += list(asked)

    def complete(**options: Any) -> Any:
        body = {"model": "radiance", "prompt": "The fox", "max_tokens": 6, **options}
        (choice,) = client.post("/v1/completions", body)["choices"]
        return choice

    found.append(complete(temperature=0.9, seed=7)["text"])
    found.append(complete(temperature=0, stop=["e"])["text"])
    chosen = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "boolean"}}}
    body: dict[str, Any] = {"model": "radiance", "messages": [{"role": "user", "content": "Yes?"}]}
    body["temperature"] = 0
    given = client.post("/v1/chat/completions", {**body, "response_format": chosen})
    found.append(given["choices"][0]["message"]["content"])
    read = complete(echo=True, max_tokens=0, logprobs=1)["logprobs"]["token_logprobs"]
    return found, read[1:]


def as_qwen(directory: Path) -> Path:
    """Ember as a Qwen 2, which mlx-lm can divide by layers: it has biases, and they are zero."""
    shutil.copytree(ember.MODEL_PATH, directory)
    settings = json.loads((directory / "config.json").read_text())
    settings |= {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    (directory / "config.json").write_text(json.dumps(settings))
    [file] = directory.glob("*.safetensors")
    tensors: Any = mx.load(str(file))
    for name in [name for name in tensors if re.search(r"[qkv]_proj\.weight$", name)]:
        bias = name.removesuffix("weight") + "bias"
        tensors[bias] = mx.zeros((tensors[name].shape[0],), dtype=tensors[name].dtype)
    mx.eval(tensors)
    mx.save_safetensors(str(file), tensors, {"format": "mlx"})
    return directory


@dataclass(frozen=True)
class Alone:
    """A root with two adapters, the first of which serves, and what one process says of it.

    An update waits in its queue.

    Attributes:
        said: Before and after the second is promoted.
    """

    root: Path
    base: str
    ids: list[str]
    said: tuple[Said, Said]


@pytest.fixture(scope="module", params=["tensor", "pipeline"])
def how(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def alone(tmp_path_factory, engine, how) -> Alone:
    root = tmp_path_factory.mktemp("alone") / "root"
    adapters = tmp_path_factory.mktemp("adapters")
    base = "ember"
    if how == "pipeline":
        base = str(engine.call(lambda: as_qwen(adapters / "qwen")))
    running = start_service(config.load(root, {**QUIET, "base_model": base}))
    client = running.client
    ids = []
    try:
        for seed, rank in ((100, 4), (200, 8)):
            path = write_adapter(engine, adapters / str(seed), seed, rank)
            ids.append(client.post("/import", {"path": str(path)})["checkpoint_id"])
        client.post("/promote", {"checkpoint": ids[0]})
        before = conversation(client, ids)
        client.post("/promote", {"checkpoint": ids[1]})
        after = conversation(client, ids)
        client.post("/promote", {"checkpoint": ids[0]})
    finally:
        running.stop()
    database = Database(root / "runs" / "radiance.db")  # an update that waits for another service
    body = {"examples": as_input(FACTS)}
    JobQueue(database).add(
        admit(body, config.UpdateSettings(), lambda example: None), content_hash(body)
    )
    database.close()
    return Alone(root, base, ids, (before, after))


@contextlib.contextmanager
def sharded(alone: Alone, how: str, directory: Path) -> Iterator[tuple[Client, Any, Any]]:
    """A service over two processes, once it is ready, and both of them."""
    root = directory / "root"
    shutil.copytree(alone.root, root, symlinks=True)
    arguments = [*RUN, "--root", str(root), *SETTINGS, f"--set=engine.shard={how}"]
    arguments += ["--base-model", alone.base]
    ranks = start_ranks(arguments, directory)
    log = directory / "rank0.log"

    def is_over() -> bool:
        return ranks[0].poll() is not None

    try:
        while not (found := re.search(r"listening.*?(http://[\d.:]+)", log.read_text())):
            assert not is_over(), log.read_text()
            time.sleep(0.05)
        client = Client(found[1])
        while True:
            try:
                client.get("/ready")
                break
            except (OSError, ApiError):
                assert not is_over(), log.read_text()
                time.sleep(0.05)
        yield client, *ranks
    finally:
        for server in ranks:
            server.kill()
            server.wait()


@pytest.mark.usefixtures("forked")
@pytest.mark.slow  # two processes that load MLX, beside this one
@pytest.mark.timeout(300)
def test_two_ranks_answer_as_one_process_across_a_swap(alone, how, tmp_path) -> None:
    ids, (before, after) = alone.ids, alone.said
    with sharded(alone, how, tmp_path) as (client, zero, one):
        check(conversation(client, ids), before)
        leave_early(client)
        client.post("/promote", {"checkpoint": ids[1]})
        check(conversation(client, ids), after)
        with pytest.raises(ApiError) as caught:
            client.post("/update", {"examples": as_input(FACTS)})
        assert caught.value.status == 409
        assert "sharded" in caught.value.error["message"]
        assert client.get("/training")["held_up_by"] == "the base model is sharded (engine.shard)"
        zero.terminate()
        assert (zero.wait(), one.wait()) == (0, 0), (tmp_path / "rank1.log").read_text()
    assert before[0][0] != after[0][0], "the swap changed nothing"


def check(said: Said, wanted: Said) -> None:
    assert said[0] == wanted[0]
    assert said[1] == pytest.approx(wanted[1], abs=1e-4)


def leave_early(client: Client) -> None:
    """Begin a stream and go away: the row leaves the batch of every rank."""
    body = {"model": "radiance", "prompt": "Once", "max_tokens": 400, "stream": True}
    request = urllib.request.Request(f"{client.url}/v1/completions", json.dumps(body).encode())
    with client.open(request) as response:
        response.readline()


def is_decoding(client: Client) -> bool:
    with client.open(urllib.request.Request(f"{client.url}/metrics")) as response:
        return "radiance_rows_decoding 1" in response.read().decode()


@pytest.mark.usefixtures("forked")
@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(300)
def test_a_killed_rank_ends_the_service_and_the_queue_keeps_everything(
    alone, how, tmp_path
) -> None:
    with sharded(alone, how, tmp_path) as (client, zero, one):
        failed: list[Any] = []

        def ask() -> None:
            try:
                client.ask("Tell me a long story.", max_tokens=900, checkpoint="base")
            except ApiError as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while not is_decoding(client):
            time.sleep(0.01)
        one.kill()
        asking.join()
        assert failed[0].status == 500, failed
        assert zero.wait() == 1, (tmp_path / "rank0.log").read_text()
    database = Database(tmp_path / "root" / "runs" / "radiance.db")
    try:
        [job] = JobQueue(database).recent(10)
    finally:
        database.close()
    assert job.status == "queued"


def test_sharding_needs_the_other_processes(tmp_path) -> None:
    settings = config.load(tmp_path, {"engine.shard": "tensor"})
    with pytest.raises(ConfigError, match=r"mlx.launch .* radiance run --distributed"):
        server.serve(settings)
    with pytest.raises(ConfigError, match="training needs the whole base model"):
        server.train(settings)

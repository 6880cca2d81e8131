"""The whole story on a real base model: learned how fast, remembered how well, at what cost.

    python -m bench.real [--model smollm2]

A service in a process of its own, up long enough to have made what updates want of the base (once
for a base on a machine, while it has nothing to learn), learns by its HTTP API and with its
defaults: five facts from the first POST on a fresh root, three updates of eight, then an update
that corrects four of them. Asked are all facts after each update; at the end also in words that
were never taught, questions of the taught kind about names that were never taught (bleeding: a
taught value in the answer, and not in the base's), and the common knowledge that is held out. That
is of the weights alone, and of the service as it answers with its memory, where the base answers
what is about nothing that was taught.
Beside it, after each update and in the same run, ``mlx_lm.lora``'s trainer learns the same examples
with the same rank, layers and learning rate and no anchors to the loss that ours came to; it is
asked the same at the end. Last, the share of the machine's matrix-product speed that a training
step and a decode step reach.

Each update is kept when it is finished; a later call goes on over the same root.
"""

import asyncio
import functools
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import utilisation
from bench.harness import Bench, Figures, Progress, Size, Table
from bench.intervals import proportion
from bench.mlx_lm_trainer import ANSWER_TOKENS, ASKED_AT_ONCE
from bench.processes import Process
from bench.scenarios import contains
from bench.servers import Server, Servers, plain
from bench.story import SEED, Story
from bench.streams import Fact, untaught

# Facts of an update, updates, untaught questions, held-out prompts, rounds of the utilisation.
SIZES: dict[Size, tuple[int, int, int, int, int]] = {
    "tiny": (2, 2, 4, 4, 1),
    "default": (8, 5, 24, 80, 3),
    "large": (8, 5, 96, 1000, 9),
}
OURS, THEIRS = "radiance", "mlx_lm.lora"
ROUTED = "radiance with its memory"
BATCH_SIZE, MOST_STEPS = 8, 300
POLL_S, QUIET_S = 0.1, 3.0
_TINY_FLAGS = ("--set", "training.max_steps=2", "--set", "anchor.own_samples=0")


# ── Ours ────────────────────────────────────────────────────────────────────────────────────────


class _Service:
    """The service over a root that outlives a call of the bench; started when first asked for."""

    def __init__(self, bench: Bench, servers: Servers, root: Path) -> None:
        self._bench, self._servers, self.root = bench, servers, root

    @functools.cached_property
    def server(self) -> Server:
        # Weights are measured; a question that asks for memory has its scope, too.
        settings = {"memory.mode": "off", **self._bench.model.settings()}
        flags = [f"--root={self.root}", "--log-level=error"]
        for name, value in settings.items():
            flags += ["--set", f'{name}="{value}"']
        if self._bench.size == "tiny":
            flags += _TINY_FLAGS
        return self._servers.radiance(self._bench.model, None, *flags)

    def prepare(self) -> float:
        """Have it up, and wait while it makes what updates want of the base; how many seconds.

        A service does so while nothing is to be learned, once for a base on a machine.
        """
        server, began = self.server, time.perf_counter()
        quiet_s = QUIET_S / 10 if self._bench.size == "tiny" else QUIET_S
        quiet_since = began
        while time.perf_counter() - quiet_since < quiet_s:
            if server.call("GET", "/training")[1]["preparing"] is not None:
                quiet_since = time.perf_counter()
            time.sleep(POLL_S)
        return quiet_since - began

    @property
    def served(self) -> str:
        """The checkpoint that answers now."""
        return self.server.call("GET", "/checkpoints")[1]["current"]

    def ask(self, questions: Sequence[str], **fields: str) -> list[str]:
        """Greedy answers, several at a time, in the order asked."""
        return [answer["response"] for answer in self.answers(questions, **fields)]

    def answers(self, questions: Sequence[str], **fields: str) -> list[Figures]:
        """The bodies of ``ask``.

        Args:
            questions: As they are asked.
            fields: Of ``POST /search``, besides.
        """
        port = self.server.port

        async def all_of_them() -> list[Figures]:
            places = asyncio.Semaphore(ASKED_AT_ONCE)

            async def one(question: str) -> Figures:
                body = {"prompt": question, "max_tokens": ANSWER_TOKENS, "temperature": 0, **fields}
                async with places:
                    status, answer = await plain(port, "POST", "/search", body)
                assert status == 200, answer
                return answer

            return list(await asyncio.gather(*map(one, questions)))

        return asyncio.run(all_of_them())

    def teach(self, name: str, facts: Sequence[Fact]) -> Figures:
        """Post an update and wait until its checkpoint answers."""
        server = self.server
        body = {
            "examples": [{"input": fact.question, "output": fact.answer} for fact in facts],
            "job_key": name,  # a call that goes on after a stop posts nothing twice
        }
        began = time.perf_counter()
        status, posted = server.call("POST", "/update", body)
        assert status == 202, posted
        spent: dict[str, float] = {}
        before = began
        while True:
            job = server.call("GET", f"/jobs/{posted['job_id']}")[1]
            now = time.perf_counter()
            making = (job["preparing"] or "").partition(":")[0]
            stage = (job["progress"] or {}).get("stage") or making or job["status"]
            spent[stage] = spent.get(stage, 0.0) + now - before
            before = now
            if job["finished_at"] is not None:
                break
            time.sleep(POLL_S)
        if job["status"] != "succeeded":
            raise RuntimeError(f"{name}: the job {job['status']}: {job['error']}")
        question = {"prompt": facts[0].question, "max_tokens": ANSWER_TOKENS, "temperature": 0}
        answer = server.call("POST", "/search", question)[1]
        seconds = time.perf_counter() - began
        found = server.call("GET", f"/checkpoints/{job['checkpoint']}")[1]
        return {
            "seconds": seconds,
            "spent": {stage: value for stage, value in spent.items() if stage != "succeeded"},
            "is_served": answer["checkpoint"] == job["checkpoint"],
            "steps": found["manifest"]["steps"],
            "report": found["report"],
            "peak_memory_bytes": server.peak_memory_bytes,
        }


# ── The bench ───────────────────────────────────────────────────────────────────────────────────


def learn(
    bench: Bench, story: Story, service: _Service, number: int, progress: Progress
) -> Figures:
    """One update by both, one after the other, and what ours knows then."""
    facts, name = story.updates[number], story.names[number]
    progress.say(f"{name}: {OURS} prepares itself, as it does while nothing is to be learned")
    prepared_s = service.prepare()
    progress.say(f"{name}: {OURS} learns {len(facts)} facts")
    ours = service.teach(name, facts)
    valid = story.valid(number + 1)
    answers = dict(zip(valid, service.ask(list(valid)), strict=True))
    known = [
        [answers[f.question] == f.answer for f in update if valid[f.question] is f]
        for update in story.updates[: number + 1]
    ]
    progress.say(f"{name}: served after {ours['seconds']:.0f} s; {THEIRS} learns the same")
    folder = _folder(service.root)
    folder.mkdir(exist_ok=True)
    is_last = number == len(story.updates) - 1
    parameters = {
        "model": bench.model.name,
        "facts": [(fact.question, fact.answer) for fact in facts],
        "loss": ours["report"]["finetune_loss"],
        "parent": str(folder / f"{number - 1}.safetensors") if number else None,
        "adapter": str(folder / f"{number}.safetensors"),
        "asked": _asked_at_the_end(bench, story) if is_last else [],
        "most_steps": 2 if bench.size == "tiny" else MOST_STEPS,
        "batch_size": BATCH_SIZE,
    }
    with Process("bench.mlx_lm_trainer:learn", parameters) as trainer:
        other = trainer()
    return {"ours": ours, "theirs": other, "known": known, "prepared_s": prepared_s}


def _asked_at_the_end(bench: Bench, story: Story) -> list[str]:
    """Taught questions, the same in other words, untaught ones, common knowledge held out."""
    _, _, others, prompts, _ = bench.sized(SIZES)
    valid = story.valid(len(story.updates))
    return [
        *valid,
        *(wording for fact in valid.values() for wording in fact.others),
        *untaught(SEED, others),
        *(fact.question for fact in bench.model.unlisted()[:prompts]),
    ]


def judge(bench: Bench, story: Story, answers: Sequence[str], base: Sequence[str]) -> Figures:
    """Counts of what was asked at the end, each as hits and how many there were.

    Args:
        answers: To ``_asked_at_the_end``.
        base: The base model's answers to the same.
    """
    valid = story.valid(len(story.updates))
    values = {question: story.value(fact) for question, fact in valid.items()}
    asked = _asked_at_the_end(bench, story)
    pairs = list(zip(answers, base, strict=True))
    exact = sum(answers[n] == fact.answer for n, fact in enumerate(valid.values()))
    place = len(valid)
    other_words = []
    for fact in valid.values():
        for _ in fact.others:
            other_words.append(contains(answers[place], values[fact.question]))
            place += 1
    _, _, others, _, _ = bench.sized(SIZES)
    strangers, common = pairs[place : place + others], pairs[place + others :]
    taught = [*values.values(), *story.superseded]
    bled = sum(any(contains(a, v) and not contains(b, v) for v in taught) for a, b in strangers)
    stale = story.superseded
    return {
        "exact": (exact, len(valid)),
        "other_words": (sum(other_words), len(other_words)),
        "superseded": (sum(any(contains(a, v) for v in stale) for a in answers), len(asked)),
        "bleeding": (bled, len(strangers)),
        "strangers_as_base": (sum(a == b for a, b in strangers), len(strangers)),
        "common_as_base": (sum(a == b for a, b in common), len(common)),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("real", __doc__, arguments, model="smollm2")
    facts, updates, _, _, rounds = bench.sized(SIZES)
    story = Story(facts, updates)
    root = (bench.out / f"real.{bench.size}.root").absolute()
    if not bench.has_cells:
        for path in (root, _folder(root)):
            shutil.rmtree(path, ignore_errors=True)
    progress = bench.progress(updates + 2)
    learned: list[Figures] = []
    with Servers() as servers:
        service = _Service(bench, servers, root)
        asked = _asked_at_the_end(bench, story)
        for number, name in enumerate(story.names):
            cell = {"update": name, "facts": len(story.updates[number])}
            learned.append(
                bench.cell(cell, lambda n=number: learn(bench, story, service, n, progress))
            )
            progress.advance(f"{name}: {_ratio(learned[-1]):.2f} x {THEIRS}'s time")
        end = bench.cell(
            {"at": "the end"},
            lambda: {
                "ours": service.ask(asked),
                "base": service.ask(asked, checkpoint="base"),
                "routed": [
                    {"response": answer["response"], "is_of_base": answer["checkpoint"] is None}
                    for answer in service.answers(asked, memory="always")
                ],
                "checkpoint": service.served,
            },
        )
        progress.advance("asked at the end")
    kept = bench.cell({"kept": "common knowledge"}, lambda: _kept(bench, story, root, end))
    measured = bench.cell({"utilisation": rounds}, lambda: {"rounds": _utilisation(bench, rounds)})
    progress.advance("utilisation")
    theirs = learned[-1]["theirs"]["answers"]
    routed = [answer["response"] for answer in end["routed"]]
    sides = {
        OURS: {**judge(bench, story, end["ours"], end["base"]), "common_kept": kept[OURS]},
        ROUTED: {**judge(bench, story, routed, end["base"]), "common_kept": kept[ROUTED]},
        THEIRS: {**judge(bench, story, theirs, end["base"]), "common_kept": kept[THEIRS]},
    }
    tables = [
        *_course(bench.model.title, story, learned),
        _end(bench.model.title, sides),
        *utilisation.tables(bench.model.title, measured["rounds"]),
    ]
    bench.finish(
        tables,
        lambda figure: _draw(figure, story, learned),
        time_ratios={name: _ratio(f) for name, f in zip(story.names, learned, strict=True)},
        at_the_end=sides,
    )


def _kept(bench: Bench, story: Story, root: Path, end: Figures) -> Figures:
    """What is kept of the base's answers to common knowledge that is held out, by adapter.

    Whatever the base is asked in place of ours is kept.
    """
    _, _, _, prompts, _ = bench.sized(SIZES)
    asked = _asked_at_the_end(bench, story)
    count = len(bench.model.unlisted()[:prompts])
    texts = list(zip(asked[-count:], end["base"][-count:], strict=True))
    ours = str(root / "adapters" / end["checkpoint"] / "adapters.safetensors")
    theirs = str(_folder(root) / f"{len(story.updates) - 1}.safetensors")
    found = _measure(bench, {OURS: ours, THEIRS: theirs}, texts)
    of_ours = [
        text
        for text, answer in zip(texts, end["routed"][-count:], strict=True)
        if not answer["is_of_base"]
    ]
    kept, known = _measure(bench, {OURS: ours}, of_ours)[OURS] if of_ours else (0, 0)
    every = found[OURS][1]
    return {**found, ROUTED: (every - known + kept, every)}


def _measure(
    bench: Bench, adapters: dict[str, str], texts: Sequence[tuple[str, str]]
) -> dict[str, tuple[int, int]]:
    parameters = {"model": bench.model.name, "adapters": adapters, "texts": texts}
    with Process("bench.kept:measure", parameters) as process:
        return process()


def _folder(root: Path) -> Path:
    """Where the other trainer's adapters lie."""
    return root.with_suffix(".theirs")


def _utilisation(bench: Bench, rounds: int) -> list[Figures]:
    is_tiny = bench.size == "tiny"
    parameters = {
        "model": bench.model.name,
        "count": 2 if is_tiny else BATCH_SIZE,
        "streams": [2] if is_tiny else [1, 8, 24],
        "context": 8 if is_tiny else 64,
    }
    with Process("bench.utilisation:measure", parameters) as process:
        process()  # warm-up
        return [process() for _ in range(rounds)]


def _ratio(learned: Figures) -> float:
    return learned["ours"]["seconds"] / learned["theirs"]["seconds"]


def _course(title: str, story: Story, learned: Sequence[Figures]) -> list[Table]:
    stages = list(dict.fromkeys(stage for f in learned for stage in f["ours"]["spent"]))
    return [
        Table(
            f"{title}: from the POST to the answer served, beside {THEIRS} to the same loss",
            (
                *("update", "s", "steps", "loss", "peak MiB"),
                *("theirs, s", "steps", "loss", "peak MiB", "time, ratio", "known by ours"),
            ),
            [
                (
                    name,
                    round(found["ours"]["seconds"], 1),
                    found["ours"]["steps"],
                    found["ours"]["report"]["finetune_loss"],
                    round(found["ours"]["peak_memory_bytes"] / 2**20),
                    round(found["theirs"]["seconds"], 1),
                    found["theirs"]["steps"],
                    found["theirs"]["loss"],
                    round(found["theirs"]["training_peak_bytes"] / 2**20),
                    f"{_ratio(found):.2f}",
                    ", ".join(f"{sum(update)}/{len(update)}" for update in found["known"]),
                )
                for name, found in zip(story.names, learned, strict=True)
            ],
        ),
        Table(
            f"{title}: where those seconds went, as the job tells",
            ("update", "prepared before, idle", *stages),
            [
                (
                    name,
                    round(found["prepared_s"], 1),
                    *(round(found["ours"]["spent"].get(stage, 0.0), 1) for stage in stages),
                )
                for name, found in zip(story.names, learned, strict=True)
            ],
        ),
    ]


def _end(title: str, sides: dict[str, Figures]) -> Table:
    labels = {
        "exact": "taught facts, word for word",
        "other_words": "their values, asked in other words",
        "superseded": "answers with a corrected value",
        "bleeding": "names never taught: answered with a taught value",
        "strangers_as_base": "names never taught: answered as by the base",
        "common_kept": "common knowledge held out: no token of the base's answer half as likely",
        "common_as_base": "common knowledge held out: answered as by the base, word for word",
    }
    return Table(
        f"{title}: at the end",
        ("asked", *sides),
        [
            (label, *(_share(*side[key]) for side in sides.values()))
            for key, label in labels.items()
        ],
    )


def _share(hits: int, count: int) -> str:
    return f"{hits} of {count}: {proportion(hits, count)}" if count else "-"


def _draw(figure: Any, story: Story, learned: Sequence[Figures]) -> None:
    axes = figure.subplots()
    bottom = [0.0] * len(learned)
    stages = list(dict.fromkeys(stage for f in learned for stage in f["ours"]["spent"]))
    places = range(len(learned))
    for stage in stages:
        heights = [found["ours"]["spent"].get(stage, 0.0) for found in learned]
        axes.bar([n - 0.2 for n in places], heights, 0.4, bottom=bottom, label=stage)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    seconds = [found["theirs"]["seconds"] for found in learned]
    axes.bar([n + 0.2 for n in places], seconds, 0.4, color="0.7", label=THEIRS)
    axes.set_xticks(list(places), story.names)
    axes.set_ylabel("seconds from the POST to the answer served")
    axes.legend()


if __name__ == "__main__":
    main()

"""Does memory answer what was taught when it is asked in other words, and nothing else?

    python -m bench.wording

Memory alone: nothing is trained and no model answers; what is counted is which example memory would
answer with. Taught are the facts of ``bench.streams`` and, where the test data has it, TOFU's (400
facts about 20 invented authors). Asked are:

- *other words*: each fact's other wordings, which are never taught; wrong is another fact's answer;
- *near*: the same questions while their own answer is left out, so that only other facts about the
  same name are known; every answer is wrong;
- *anything*: what may be asked of any name ("Tell me about ...", "What colour is ..."); as near;
- *foreign*: names that were never taught; as near.

Tasks, where the test data has them, are taught by their rows of the split "train" and asked the
inputs of the others, which count as foreign: what memory says nothing to the weights are asked as
if there were none. Each is taught as it stands, in one line, and by its inputs alone.

The same facts as documents, a page of headings and answers for each stream and a text for each of
TOFU's authors, are asked the other wordings and, of the streams, *foreign* ones: right is a passage
that has the answer.

By words, and by minilm where it was fetched; TOFU by several promises for near questions. Some
wordings of the streams are among those that the rules of rewording make, which memory is calibrated
with; TOFU's are not. A question that is asked back is counted apart, and whether the right example
was among those shown.
"""

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Bench, Figures, Size, Table
from bench.intervals import proportion
from bench.streams import make_stream, untaught
from bench.task_files import Task, read_tasks
from radiance.config import UpdateSettings
from radiance.documents.store import Documents
from radiance.engine.model import fetching
from radiance.engine.model.named import NAMED
from radiance.engine.model.sentence_encoder import SentenceEncoder
from radiance.examples.admission import admit
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.memory.embedders import Embedder, NoEmbedder, Tokens
from radiance.memory.memory import Memory
from radiance.memory.passages import PassageIndex
from radiance.records import Message, content_hash, questions
from radiance.storage.sqlite import Database
from tests.shared_data import FOLDER
from tests.support import drain

TOFU = FOLDER / "knowing" / "tofu_400.jsonl"
TASKS = FOLDER / "tasks"
OF_ANYTHING = ("Tell me about {}.", "What colour is {}?", "Who owns {}?", "When was {} opened?")
# Seeds and updates of the streams, and authors of TOFU.
SIZES: dict[Size, tuple[int, int, int]] = {
    "tiny": (1, 4, 0),
    "default": (2, 5, 20),
    "large": (5, 7, 20),
}
MAX_WRONG, MAX_NEAR = 0.02, 0.2
OTHER_PROMISES = (0.02, 0.1, 0.3)
_OF_AUTHOR = 20  # facts of TOFU
_PART = 200  # questions of an update
_OF_TASK = 200  # rows that are taught, and that are asked


@dataclass(frozen=True)
class Stream:
    """What is taught, and what is asked.

    Attributes:
        taught: Questions with their answers.
        asked: Other wordings, each with the place of its fact in ``taught``.
        anything: What may be asked of any name.
        foreign: Questions about names that were never taught.
    """

    name: str
    taught: tuple[tuple[str, str], ...]
    asked: tuple[tuple[str, int], ...]
    anything: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


class Direct:
    """minilm on this thread; a text that was seen before costs nothing."""

    identity = "minilm, on this thread"

    def __init__(self) -> None:
        wheel = NAMED["minilm"].wheel
        assert wheel is not None
        self._encoder = SentenceEncoder(fetching.kept_directory(wheel))
        self.dimensions = self._encoder.dimensions
        self._known: dict[str, np.ndarray] = {}
        self._tokens: dict[str, Tokens] = {}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (texts, dimensions) float32."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= dict(zip(new, drain(self._encoder.pieces(new)), strict=True))
        return np.stack([self._known[text] for text in texts])

    def tokens(self, texts: Sequence[str]) -> Sequence[Tokens]:
        """The same token by token; each text is remembered here, too."""
        new = [text for text in dict.fromkeys(texts) if text not in self._tokens]
        made = drain(self._encoder.token_pieces(new))
        self._tokens |= {text: Tokens(*each) for text, each in zip(new, made, strict=True)}
        return [self._tokens[text] for text in texts]


def streams(size: Size) -> list[Stream]:
    """Our own streams, and TOFU where it is."""
    seeds, updates, authors = SIZES[size]
    found = [_own(seed, updates) for seed in range(seeds)]
    if authors and TOFU.exists():
        rows = [json.loads(line) for line in TOFU.read_text(encoding="utf-8").splitlines()]
        rows = rows[: 20 * authors]
        taught = tuple((row["question"], row["answer"]) for row in rows)
        asked = tuple((row["paraphrased_question"], place) for place, row in enumerate(rows))
        found.append(Stream("TOFU", taught, asked))
    if authors and TASKS.is_dir():
        for task in read_tasks(TASKS, _OF_TASK, _OF_TASK):
            found += _of_task(task)
    return found


def _of_task(task: Task) -> list[Stream]:
    """A task in three forms: as it stands, in one line, its inputs alone."""

    def last_line(prompt: str) -> str:
        return prompt.rpartition("\n")[2]

    forms = {
        "": lambda prompt: prompt,
        ", one line": lambda prompt: " ".join(prompt.split()),
        ", inputs alone": last_line,
    }
    return [
        Stream(
            f"{task.name}{name}",
            tuple({form(item.prompt): item.answer for item in task.train}.items()),
            (),
            foreign=tuple(form(item.prompt) for item in task.test),
        )
        for name, form in forms.items()
    ]


def _own(seed: int, updates: int) -> Stream:
    facts = {f.question: f for update in make_stream(seed, updates=updates) for f in update.facts}
    kept = list(facts.values())
    names = [name_of(fact.question) for fact in kept]
    return Stream(
        f"stream {seed}",
        tuple((fact.question, fact.answer) for fact in kept),
        tuple((asked, place) for place, fact in enumerate(kept) for asked in fact.others),
        tuple(form.format(name) for name in names for form in OF_ANYTHING),
        tuple(untaught(seed, 2 * len(kept))),
    )


def name_of(question: str) -> str:
    """From the first name to the last word, as in "Zorbel House"."""
    words = question.rstrip("?").split()
    first = next(n for n, word in enumerate(words) if n and word[0].isupper())
    return " ".join(words[first : first + 2])


def measure(stream: Stream, embedder: Embedder, max_wrong: float, max_near: float) -> Figures:
    """What memory does with every question of a stream."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(Path(folder) / "radiance.db")
        memory = Memory(
            db, ExampleStore(db), lambda tip: [], lambda: None, max_wrong, embedder, max_near
        )
        memory.open()
        jobs = JobQueue(db, index=memory.add)
        settings = UpdateSettings(max_examples_per_update=_PART)
        for start in range(0, len(stream.taught), _PART):
            pairs = stream.taught[start : start + _PART]
            body = {"examples": [{"input": q, "output": a} for q, a in pairs]}
            jobs.add(admit(body, settings, lambda example: None), f"body {start}")
        memory.embed_missing()
        memory.calibrate()
        found = {
            "other words": _outcomes(memory, stream, stream.asked, is_known=True),
            "near": _outcomes(memory, stream, stream.asked, is_known=False),
            "anything": _outcomes(memory, stream, [(q, -1) for q in stream.anything]),
            "foreign": _outcomes(memory, stream, [(q, -1) for q in stream.foreign]),
        }
        limits = memory.calibration
        db.close()
    return {
        "stream": stream.name,
        "embedder": embedder.identity,
        "max_wrong": max_wrong,
        "max_near": max_near,
        "counts": {kind: dict(counts) for kind, counts in found.items() if counts.total()},
        "calibrated": {
            "meaning": limits.limits.meaning,
            "asked": limits.asked,
            "right": limits.right,
            "wrong": limits.wrong,
        },
    }


def _outcomes(
    memory: Memory, stream: Stream, asked: Iterable[tuple[str, int]], *, is_known: bool = True
) -> Counter[str]:
    """How often each outcome comes: right, wrong, asked back (right one among them), nothing."""
    counts: Counter[str] = Counter()
    for question, place in asked:
        right = stream.taught[place][1] if place >= 0 and is_known else None
        without = {_hash(stream.taught[place][1])} if place >= 0 and not is_known else ()
        turns = [Message("user", question)]
        ranked, found = memory.rank(turns, None, without), memory.match(turns, None, without)
        answers = [candidate.answer for candidate in found.candidates]
        if ranked.candidates and ranked.candidates[0].answer == right:
            counts["best is right"] += 1
        if not answers:
            counts["nothing"] += 1
        elif found.how == "sure":
            counts["right" if answers[0] == right else "wrong"] += 1
        else:
            counts["asked back"] += 1
            counts["asked back, right among them"] += right in answers
        counts["asked"] += 1
    return counts


def measure_documents(stream: Stream, embedder: Embedder) -> Figures:
    """What memory does with the same questions where the facts stand in documents."""
    pages: dict[str, list[str]] = defaultdict(list)
    for place, (question, answer) in enumerate(stream.taught):
        is_page = bool(stream.foreign)
        name = "page.md" if is_page else f"author {place // _OF_AUTHOR}.md"
        pages[name].append(f"## {name_of(question)}\n\n{answer}" if is_page else answer)
    counts: dict[str, Counter[str]] = {"other words": Counter(), "foreign": Counter()}
    with tempfile.TemporaryDirectory() as folder:
        db = Database(Path(folder) / "radiance.db")
        index = PassageIndex(db, embedder)
        index.open()
        documents = Documents(db, index.add)
        for name, parts in pages.items():
            documents.add(name, "\n\n".join(parts).encode())
        index.embed_missing()

        def embed(question: str) -> np.ndarray | None:
            return embedder.embed([question]) if embedder.dimensions else None

        asked = [("other words", question, place) for question, place in stream.asked]
        asked += [("foreign", question, -1) for question in stream.foreign]
        for kind, question, place in asked:
            found = index.look_up(question, embed)
            is_right = place >= 0 and found and stream.taught[place][1] in found.passage.text
            counts[kind]["nothing" if found is None else "right" if is_right else "wrong"] += 1
            counts[kind]["asked"] += 1
        db.close()
    return {
        "stream": f"{stream.name}, documents",
        "embedder": embedder.identity,
        "counts": {kind: dict(found) for kind, found in counts.items() if found.total()},
    }


def _hash(answer: str) -> str:
    return content_hash(questions.normalise(answer))


def _name(figures: Figures) -> str:
    if "max_near" not in figures:
        return str(figures["stream"])
    return f"{figures['stream']}, near {figures['max_near']}"


def tables(found: Sequence[Figures]) -> list[Table]:
    """One row for each stream and kind of question."""
    rows = []
    for figures in found:
        for kind, counts in figures["counts"].items():
            asked = counts["asked"]
            wrong = counts.get("wrong", 0)
            interval = proportion(wrong, asked)
            rows.append(
                (
                    _name(figures),
                    kind,
                    asked,
                    f"{counts.get('right', 0) / asked:.1%}",
                    f"{wrong / asked:.1%} ({interval.low:.1%} to {interval.high:.1%})",
                    f"{counts.get('asked back', 0) / asked:.1%}",
                    f"{counts.get('asked back, right among them', 0) / asked:.1%}",
                    f"{counts.get('nothing', 0) / asked:.1%}",
                    f"{counts.get('best is right', 0) / asked:.1%}",
                )
            )
    columns = (
        "taught",
        "asked",
        "n",
        "right",
        "wrong",
        "asked back",
        "right among",
        "nothing",
        "best is right",
    )
    return [Table(f"Memory alone, {found[0]['embedder']}", columns, rows)]


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("wording", __doc__, arguments)
    made = streams(bench.size)
    embedders: dict[str, Embedder] = {"words": NoEmbedder()}
    wheel = NAMED["minilm"].wheel
    if wheel is not None and fetching.is_here(wheel) and bench.size != "tiny":
        embedders["minilm"] = Direct()
    progress = bench.progress(len(made) * len(embedders))
    found: dict[str, list[Figures]] = {name: [] for name in embedders}
    for name, embedder in embedders.items():
        for stream in made:
            others = OTHER_PROMISES if (name, stream.name) == ("minilm", "TOFU") else ()
            for max_near in (MAX_NEAR, *others):
                cell = {"embedder": name, "stream": stream.name, "max_near": max_near}
                found[name].append(
                    bench.cell(cell, partial(measure, stream, embedder, MAX_WRONG, max_near))
                )
            if stream.asked:
                cell = {"embedder": name, "stream": stream.name, "max_near": "documents"}
                found[name].append(bench.cell(cell, partial(measure_documents, stream, embedder)))
            progress.advance(json.dumps(found[name][-1]["counts"]))

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        rows = [f for each in found.values() for f in each if "other words" in f["counts"]]
        names = [f"{f['embedder'][:6]} {_name(f)}" for f in rows]
        left = np.zeros(len(rows))
        for outcome in ("right", "wrong", "asked back", "nothing"):
            counts = [f["counts"]["other words"] for f in rows]
            shares = np.array([c.get(outcome, 0) / c["asked"] for c in counts])
            axes.barh(names, shares, left=left, label=outcome)
            left += shares
        axes.set_xlabel("share of other wordings")
        axes.legend()

    bench.finish([t for each in found.values() for t in tables(each)], draw)


if __name__ == "__main__":
    main()

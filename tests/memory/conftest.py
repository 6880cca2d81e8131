from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from radiance.config import UpdateSettings
from radiance.examples.admission import admit
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.memory.memory import Memory
from radiance.memory.recalled import LookedUp, Recalled
from radiance.records import Message
from radiance.storage.sqlite import Database

Pairs = Sequence[tuple[str, str]]


class Remembering:
    """A queue and a memory over one database; ``lineage`` is what serves, the newest first."""

    def __init__(self, path: Path) -> None:
        self.db = Database(path / "radiance.db")
        self.lineage: list[str] = []
        self.memory = self.open()
        self.jobs = JobQueue(self.db, index=self.memory.add)
        self._sent = 0

    @property
    def tip(self) -> str | None:
        return self.lineage[0] if self.lineage else None

    def open(self) -> Memory:
        memory = Memory(
            self.db, ExampleStore(self.db), self.ancestors, lambda: self.tip, max_wrong=0.02
        )
        memory.open()
        return memory

    def ancestors(self, tip: str) -> list[str]:
        return self.lineage[self.lineage.index(tip) :]

    def teach(self, pairs: Pairs) -> str:
        body = {"examples": [{"input": question, "output": answer} for question, answer in pairs]}
        return self.send(body)

    def send(self, body: dict) -> str:
        self._sent += 1
        admitted = admit(body, UpdateSettings(), lambda example: None)
        job, _ = self.jobs.add(admitted, f"body {self._sent}")
        return job.job_id

    def look_up(self, question: str, *before: Message) -> LookedUp:
        return self.memory.look_up([*before, Message("user", question)], self.tip)

    def ask(self, question: str, *before: Message) -> tuple[Recalled, ...]:
        return self.look_up(question, *before).found

    def asks_nothing_taught(self, question: str, *before: Message) -> bool:
        turns = [*before, Message("user", question)]
        return self.memory.untaught.asks_nothing_taught(turns, self.tip)

    def answer(self, question: str) -> str | None:
        looked_up = self.look_up(question)
        return looked_up.found[0].answer if looked_up.how == "sure" else None


@pytest.fixture
def remembering(tmp_path: Path) -> Iterator[Remembering]:
    made = Remembering(tmp_path)
    yield made
    made.db.close()

"""Questions made of documents by the base model, while nothing is due; and taught, if at all.

A passage at a time: what is under way when an update comes is left, and made anew later. Serving
goes before it as it goes before training. Nothing is taught that nobody has looked at, unless
``update.review`` says so.
"""

import time
from collections.abc import Callable, Sequence
from typing import Literal

from radiance.config import UpdateSettings
from radiance.documents import questions as rows
from radiance.documents.questions import PassageQuestions, Unasked
from radiance.documents.store import Documents
from radiance.engine.tasks import Pieces, T
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, Overloaded, RadianceError
from radiance.examples.admission import Admitted, admit
from radiance.examples.queries import job_id
from radiance.jobs.queue import JobQueue
from radiance.learning import question_writing
from radiance.learning.preparation import Preparation
from radiance.learning.question_writing import Made
from radiance.records import Job, PassageQuestion, content_hash
from radiance.storage.sqlite import Connection
from radiance.telemetry import get_logger
from radiance.training.base_answers import BaseAnswers

WriterState = Literal["off", "unknown", "can", "cannot"]
Record = Callable[[Connection, int], object]
_AFTER_ERROR_S = 60.0
_log = get_logger(__name__)


class QuestionMaker:
    """Makes them. ``prepare`` is the pipeline's; the rest is safe to use from several threads.

    Args:
        settings: ``review`` says whether, and what becomes of them.
        documents: Whose passages are asked about.
        questions: Where they are kept.
        preparation: Has the base answer; None: it cannot be asked, for it is in parts.
    """

    def __init__(
        self,
        settings: UpdateSettings,
        engine: Engine,
        documents: Documents,
        questions: PassageQuestions,
        jobs: JobQueue,
        preparation: Preparation | None,
    ) -> None:
        self._settings, self._engine, self._jobs = settings, engine, jobs
        self._documents, self._questions = documents, questions
        self._preparation = preparation
        self._base = engine.base.content_hash
        self._not_before = 0.0
        self._can: bool | None = None
        self._done_to = 0  # the newest passage when there was nothing left to do

    @property
    def state(self) -> WriterState:
        """Whether questions are made here: by the settings, and as far as the base can."""
        if self._settings.review == "off" or self._preparation is None:
            return "off"
        if self._can is None:
            self._can = self._questions.can_write(self._base)
        return "unknown" if self._can is None else "can" if self._can else "cannot"

    def prepare(self, is_due: Callable[[], bool]) -> None:
        """Make the questions that are missing, and teach what need not be looked at.

        Args:
            is_due: Whether to leave off.

        Raises:
            Cancelled: The service stops.
        """
        if (state := self.state) in ("off", "cannot") or time.monotonic() < self._not_before:
            return
        if (newest := self._questions.newest_passage()) == self._done_to:
            return
        try:
            if self._make_all(state, is_due) and self._teach_all(is_due):
                self._done_to = newest
        except Cancelled:
            raise
        except RadianceError as error:  # the engine hangs, the disk is full: again later
            self._not_before = time.monotonic() + _AFTER_ERROR_S
            _log.warning("questions_not_made", error=str(error))

    def _make_all(self, state: WriterState, is_due: Callable[[], bool]) -> bool:
        """Whether every passage was asked about."""
        while (passage := self._questions.next_unasked()) is not None:
            if is_due():
                return False
            if state == "unknown" and (state := self._measure(is_due)) != "can":
                return False
            if not self._make(passage, is_due):
                return False
        return True

    def _measure(self, is_due: Callable[[], bool]) -> WriterState:
        can = self._ask_base(lambda base: question_writing.can_write(base.to), is_due)
        if can is None:
            return "unknown"
        self._questions.note_can_write(self._base, can=can)
        self._can = can
        _log.info("question_writing_measured", can=can)
        return "can" if can else "cannot"

    def _make(self, unasked: Unasked, is_due: Callable[[], bool]) -> bool:
        """Whether it came to its end."""
        made: list[Made] | None = self._ask_base(
            lambda base: question_writing.write(unasked.passage, base.to), is_due
        )
        if made is None:
            return False
        self._questions.keep(unasked.number, [(one.question, one.answer) for one in made])
        _log.info("questions_made", passage=unasked.passage.id, count=len(made))
        return True

    def _ask_base(
        self, start: Callable[[BaseAnswers], Pieces[T]], is_due: Callable[[], bool]
    ) -> T | None:
        assert self._preparation is not None  # else the state is "off"
        return self._preparation.ask_base(start, is_due)

    def _teach_all(self, is_due: Callable[[], bool]) -> bool:
        """Teach what need not be looked at; whether nothing of that is left."""
        if self._settings.review != "after":
            return True
        for document in self._questions.documents_waiting():
            if is_due():
                return False
            try:
                self.teach(document, self._questions.waiting(document, None))
            except Overloaded:  # too many updates wait: once some are learned
                return False
        return True

    def teach(
        self,
        document_id: str,
        questions: Sequence[PassageQuestion],
        check: Callable[[Admitted], Record] = lambda admitted: lambda connection, number: None,
        sender: str = "",
    ) -> Job:
        """Queue questions that wait as one update, with the document's tags; durable on return.

        Args:
            document_id: Theirs.
            questions: At least one.
            check: Makes what is called in the transaction that keeps the update.
            sender: As for ``JobQueue.add``.

        Raises:
            Conflict: One waits no more.
            Overloaded: Too many updates wait.
        """
        tags = list(self._documents.get(document_id).tags)
        pairs = [{"input": each.question, "output": each.answer} for each in questions]
        body = {"examples": pairs, "tags": tags}
        admitted = admit(body, self._settings, self._engine.encoder.check_fits)
        also, places = check(admitted), {example.id for example in admitted.examples}

        def record(connection: Connection, number: int) -> None:
            also(connection, number)
            ids = [
                f"{job_id(number)}.{place}" if str(place) in places else None
                for place in range(len(questions))
            ]
            rows.teach(connection, questions, ids)

        job, _ = self._jobs.add(admitted, content_hash(body), record=record, sender=sender)
        return job

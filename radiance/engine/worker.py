"""The engine: the one thread that owns MLX, and its turn.

Everything that touches MLX at run time happens here: loading, decoding, training, evaluating,
swapping. Others hand in work and get futures. Work that takes long comes as a generator of pieces
(one transformer block forward or backward); between two pieces the waiting requests are decoded,
so a token never waits for more than one piece. ``TimeShare`` says whose turn it is.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future, InvalidStateError
from pathlib import Path

import mlx.core as mx

from radiance import config
from radiance.engine.adapters.cache import AdapterCache, LoadedWeights
from radiance.engine.adapters.slot_model import SlotModel
from radiance.engine.adapters.slots import Adapter
from radiance.engine.adapters.sources import LiveWeights, Sources
from radiance.engine.assembly import Assembly, assemble
from radiance.engine.decoding.constraints import ConstraintCompiler, ConstraintState
from radiance.engine.decoding.generation import Decoder, DecodeRow, OnEnd
from radiance.engine.decoding.row_text import RowText
from radiance.engine.decoding.scoring import ScoringPass, read_losses, score
from radiance.engine.heartbeat import Heartbeat
from radiance.engine.in_flight import InFlight
from radiance.engine.model.base import BaseModel
from radiance.engine.model.device import Device, select_device
from radiance.engine.model.encoding import EncodedExample, Encoder
from radiance.engine.requests import Answer, OnEvent, Request, Scored, Scoring, Weights
from radiance.engine.sharding.ranks import Ranks
from radiance.engine.stats import DraftingStats, EngineStats
from radiance.engine.task_queue import TaskQueue
from radiance.engine.tasks import Pieces, T, Task
from radiance.engine.time_share import TimeShare
from radiance.errors import (
    Cancelled,
    EngineFailed,
    LostRank,
    Overloaded,
    RadianceError,
    Unavailable,
)
from radiance.records import CheckpointStatus
from radiance.telemetry import get_logger

_LOOK_S = 1.0  # how often whoever waits for a call looks whether the thread still lives
_IDLE_WAIT_S = 0.5
_WAVE_S = 0.003  # in which the rest of a wave of requests arrives
_log = get_logger(__name__)


class Engine:
    """Serves and trains on one thread.

    Args:
        base_name: As configured; only for messages.
        base_path: The base model's directory.
        backend: As configured.
        settings: The ``[engine]`` section.
        max_waiting: Requests in flight or waiting before ``submit`` refuses.
        timeout_s: After how many seconds a request is given up that names no time of its own.
        priority: Of training beside requests.
        ranks: The processes that the base model is divided among, this one being rank 0; None: it
            is whole, and can be trained.
    """

    def __init__(
        self,
        base_name: str,
        base_path: Path,
        backend: config.Backend,
        settings: config.EngineSettings,
        max_waiting: int,
        timeout_s: float = 600.0,
        priority: config.Priority = "background",
        ranks: Ranks | None = None,
    ) -> None:
        self._ranks = ranks
        self._base_name, self._base_path = base_name, base_path
        self._backend: config.Backend = backend
        self._settings = settings
        self._max_waiting, self._timeout_s = max_waiting, timeout_s
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._loaded: Future[None] = Future()
        self._stopping = self._died = False
        self._heartbeat, self._has_moved = Heartbeat(), True
        self._schedule = TimeShare(priority)
        self._task_queue = TaskQueue(self._schedule, self._heartbeat)
        self._requests, self._calls = InFlight(), InFlight()
        self._observers: list[OnEnd] = []
        # Set on the engine thread while it loads:
        self.device: Device
        self.base: BaseModel
        self.encoder: Encoder
        self._made: Assembly
        self._model: SlotModel
        self._adapter_cache: AdapterCache
        self._sources: Sources
        self._forms: ConstraintCompiler
        self._decoder: Decoder

    # ── Life ────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the thread and load the model; returns when it can answer.

        Raises:
            ConfigError: The backend or the base model cannot be used.
        """
        self._thread.start()
        self._loaded.result()

    def stop(self) -> None:
        """Finish the step under way, fail what is waiting, end the thread."""
        if self._thread.is_alive():
            self._inbox.put(self._stop)
            self._thread.join()

    @property
    def is_ready(self) -> bool:
        """Whether the thread is alive, loaded, and moves on (``Heartbeat``)."""
        return self.is_alive and not self._stopping and self._heartbeat.is_steady

    @property
    def is_alive(self) -> bool:
        """Whether the thread lives and has loaded; it may hang nevertheless (``stale_s``)."""
        return self._thread.is_alive() and self._loaded.done() and not self._died

    @property
    def thread_id(self) -> int | None:
        """The thread, as ``sys._current_frames`` names it."""
        return self._thread.ident

    @property
    def stale_s(self) -> float:
        """Seconds since the thread last came round its loop with work moved on, or with none."""
        return self._heartbeat.stale_s

    @property
    def is_at_training(self) -> bool:
        """Whether the thread is in a piece of training or evaluation, not of a request."""
        return self._task_queue.is_at_training

    def fail_in_flight(self, error: BaseException) -> int:
        """Fail every request, reading and swap that has no outcome yet; training waits on.

        For whoever finds that the thread hangs. A swap happens all the same once it moves again.

        Returns:
            How many there were.
        """
        return self._requests.fail(error) + self._calls.fail(error)

    # ── Called from any thread ──────────────────────────────────────────────────────────────────

    def submit(
        self, request: Request, on_event: OnEvent | None = None, *, goes_first: bool = False
    ) -> "Future[Answer]":
        """Queue a request. Give it up with ``cancel``.

        Args:
            request: What to generate.
            on_event: Told on the engine thread when the request has its weights and of every token;
                it must be quick and must not raise.
            goes_first: It is let in before all others, however many there are: the question of who
                watches over the engine.

        Raises:
            RequestError: No form like that of its constraint can be held.
            Overloaded: Too many requests are in flight or waiting, or forms to be compiled.
            Unavailable: The engine is not running, or hangs.
            TooLarge: The answer would take more memory than there is.
        """
        if not self.is_ready:
            is_stuck = self.is_alive and not self._stopping
            state = "has not come round for a while; ask again" if is_stuck else "is not running"
            raise Unavailable(f"the engine {state}")
        self._made.budget.check(len(request.tokens), request.max_tokens)
        future: Future[Answer] = Future()
        if not self._requests.add(future, None if goes_first else self._max_waiting):
            raise Overloaded(f"{self._max_waiting} requests are waiting already")
        now = time.perf_counter()
        row = DecodeRow(
            request,
            future,
            on_event,
            submitted_at=now,
            deadline=now + (request.timeout_s or self._timeout_s),
            text=RowText(
                self.base.tokenizer.detokenizer,
                request.stop,
                None if request.continues else self.encoder.answer_text,
            ),
            goes_first=goes_first,
        )
        if request.constraint is None:
            self._inbox.put(lambda: self._decoder.add(row))
            return future
        try:
            form = self._forms.compile(request.constraint)
        except RadianceError as error:
            future.set_exception(error)  # nobody has it yet
            raise
        form.add_done_callback(lambda done: self._inbox.put(lambda: self._add_formed(row, done)))
        return future

    def cancel(self, future: "Future[Answer]") -> None:
        """Give up a request; its row leaves the batch before the next decode step."""

        def give_up() -> None:
            if not future.done() and not self._decoder.cancel(future):
                future.set_exception(Cancelled("the request was given up"))  # its form is compiled

        self._inbox.put(give_up)

    def observe(self, observer: OnEnd) -> None:
        """Tell of every request that ends: the checkpoint it was given to, it, answer or error.

        Called on the engine thread before whoever waits is told, so it should be quick. Requests
        to training weights are not told of, nor those that ended before they had weights.
        """
        self._observers.append(observer)

    def score(self, texts: Sequence[Scoring], top: int = 0) -> Task[list[Scored]]:
        """Log-probabilities of texts under the weights each names, before other long work.

        Args:
            texts: Which texts, by which weights.
            top: How many of the likeliest tokens are told for each place.
        """
        return self.aside(
            lambda: score(self._model, self._sources, texts, top, self._settings.prefill_tokens)
        )

    def read_losses(self, examples: Sequence[EncodedExample]) -> Task[ScoringPass]:
        """The loss of texts under the weights that serve now, before other long work."""
        chunk_tokens = self._settings.prefill_tokens
        return self.aside(lambda: read_losses(self._model, self._sources, examples, chunk_tokens))

    def run(self, start: Callable[[], Pieces[T]]) -> Task[T]:
        """Run a generator of pieces on the engine thread, between decode steps.

        Args:
            start: Makes the generator; called on the engine thread.
        """
        task = Task(start)
        self._inbox.put(lambda: self._task_queue.add(task))
        return task

    def aside(self, start: Callable[[], Pieces[T]]) -> Task[T]:
        """Long work that goes before any other and is not paused, between decode steps, too."""
        task = Task(start)
        self._calls.add(task.future)
        self._inbox.put(lambda: self._task_queue.add(task, is_reading=True))
        return task

    def call(
        self, function: Callable[[], T], *, patience_s: float = 0.0, is_asked: bool = False
    ) -> T:
        """Run something short on the engine thread and wait for what it returns.

        Args:
            function: What to run.
            patience_s: How long it may take until the engine counts as hanging, if that is more
                than a few seconds.
            is_asked: Somebody waits for it who should hear within seconds where the engine hangs.

        Raises:
            EngineFailed: It hangs; the function runs all the same once it moves again.
            Unavailable: Its thread has ended, and the function did not run.
            Exception: Whatever the function raises.
        """
        if threading.current_thread() is self._thread:
            return function()
        future: Future[T] = Future()
        if is_asked:
            self._calls.add(future)

        def run() -> None:
            with self._heartbeat.during("call", patience_s), contextlib.suppress(InvalidStateError):
                try:
                    future.set_result(function())
                except BaseException as error:  # noqa: BLE001 - handed to the caller
                    future.set_exception(error)
            self._came_round()

        self._inbox.put(run)
        while not futures.wait([future], _LOOK_S).done:
            if not self._thread.is_alive() and not future.done():
                raise Unavailable("the engine is not running")
        return future.result()

    def swap(
        self,
        adapter: Adapter | None,
        checkpoint_id: str | None,
        status: CheckpointStatus,
        content_hash: str = "",
    ) -> None:
        """Answer new requests from another adapter; None is the base.

        Rows in flight stay on the adapter they began with. Returns when the swap has happened.
        Without a content hash the adapter leaves memory with its last row.
        """
        serve = self._sources.serve_adapter
        self.call(lambda: serve(adapter, checkpoint_id, status, content_hash), is_asked=True)

    def serve(self, weights: Weights) -> None:
        """Answer new requests from a checkpoint, read from disk unless it is in memory.

        Raises:
            CorruptCheckpoint: It cannot be read; what served goes on serving.
            EngineFailed: The engine hangs; it follows once it moves again.
        """
        self.call(lambda: self._sources.serve(weights), is_asked=True)

    def pause(self, reason: str) -> None:
        """Run no training pieces until ``resume``; requests and readings go on."""
        self._task_queue.paused = reason

    def resume(self) -> None:
        """Let training go on."""
        self._task_queue.paused = None
        self._inbox.put(lambda: None)

    @property
    def paused(self) -> str | None:
        """Why training is paused; None where it is not."""
        return self._task_queue.paused

    def expect(self, examples: Sequence[EncodedExample]) -> None:
        """Have the answers of these examples drafted where they are asked for.

        No answer changes by it; one that is given as it was taught comes sooner.
        """

        def add() -> None:
            if (speculation := self._made.speculation) is not None:
                for example in examples:
                    speculation.known.add_example(example)

        self._inbox.put(add)

    def forget_texts(self) -> None:
        """Draft nothing of what was expected or answered until now; returns once that is so.

        Raises:
            EngineFailed: It hangs; it forgets them once it moves again.
        """

        def forget() -> None:
            if (speculation := self._made.speculation) is not None:
                speculation.known.clear()

        self.call(forget, is_asked=True)

    def show_training(self, snapshot: LiveWeights, candidate_id: str) -> None:
        """Offer the live training weights to requests that ask for them.

        Args:
            snapshot: Gives the number of steps taken and the present weights; called on the engine
                thread.
            candidate_id: The id the checkpoint will have.
        """
        self._inbox.put(lambda: self._sources.show_live(snapshot, candidate_id))

    def hide_training(self) -> None:
        """End the offer: there are no live training weights."""
        self._inbox.put(self._sources.hide_live)

    @property
    def source(self) -> LoadedWeights:
        """What answers new requests now."""
        return self._sources.serving

    @property
    def stats(self) -> EngineStats:
        """What was done and is held, as of now."""
        waiting = self._decoder.waiting
        return EngineStats.of(
            self._decoder.stats,
            self._made.prompt_cache.stats,
            self._task_queue.training,
            speculation.stats if (speculation := self._made.speculation) else DraftingStats(),
            rows_decoding=max(0, len(self._decoder) - waiting),
            rows_waiting=waiting,
            kv_bytes_reserved=self._made.budget.reserved_bytes,
            kv_bytes_max=self._made.budget.max_bytes,
            slots=len(self._adapter_cache),
            slots_in_use=self._adapter_cache.in_use,
            swaps=self._sources.swaps,
            training_state=self._task_queue.state,
            array_bytes=mx.get_active_memory(),
        )

    # ── The loop, on the engine thread ──────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            self._load()
        except BaseException as failure:  # noqa: BLE001 - start() raises it
            self._loaded.set_exception(failure)
            mx.clear_streams()
            return
        self._heartbeat.moved()
        self._loaded.set_result(None)
        error: Exception = Unavailable("the engine has stopped")
        try:
            while not self._stopping:
                self._turn()
        except BaseException:
            self._died = True
            error = EngineFailed("the engine broke down")
            _log.exception("engine_died")  # /ready says so from now on
            raise
        finally:
            self._abandon(error)
            if self._made.leader is not None and not self._died:
                self._made.leader.end()
            self._decoder.close()
            mx.clear_streams()  # or the interpreter may abort at exit

    def _turn(self) -> None:
        """Take in what arrived, decode a token for every row, then long work if it is its turn."""
        is_idle = not (len(self._decoder) or self._task_queue.has_work)
        self._take_in(wait=is_idle)
        if is_idle and len(self._decoder) and self._decoder.comes_in_waves:
            time.sleep(_WAVE_S)  # else the first is prefilled alone while the others wait
            self._take_in(wait=False)
        if is_idle and self._made.leader is not None:
            self._made.leader.send()  # shows whether the other ranks are there
        self._has_moved = self._decode() if len(self._decoder) else True
        self._came_round()
        if not len(self._decoder):
            self._schedule.rest()
        self._task_queue.work(is_awaited=len(self._decoder) > 0)
        self._came_round()

    def _came_round(self) -> None:
        """Something was done; it counts only while rows move too."""
        if self._has_moved:
            self._heartbeat.moved()

    def _take_in(self, wait: bool) -> None:
        try:
            while not self._stopping:
                command = self._inbox.get(block=wait, timeout=_IDLE_WAIT_S if wait else None)
                wait = False
                try:
                    command()
                except Exception:  # noqa: BLE001 - one command's failure is not the engine's
                    _log.exception("engine_command_failed")
        except queue.Empty:
            pass

    def _decode(self) -> bool:
        """One decode step; whether any row moved."""
        began = time.perf_counter()
        rows, unread = len(self._decoder), self._decoder.unread_tokens
        kind = "prefill" if unread else "decode"
        amount = min(unread, self._settings.prefill_tokens) or max(1, rows)
        try:
            with self._heartbeat.during(kind, amount=amount):
                return self._decoder.step()
        except LostRank:  # nothing can be computed any more
            raise
        except Exception as error:  # noqa: BLE001 - the batch is lost, not the engine; its rows hear
            _log.exception("decode_step_failed")
            self._decoder.fail_all(EngineFailed(f"the decode step failed: {error}"))
            return True
        finally:
            self._schedule.decoded(time.perf_counter() - began, rows)

    def _load(self) -> None:
        settings = self._settings
        self.device = select_device(self._backend)
        name, path = self._base_name, self._base_path
        made = self._made = assemble(name, path, self.device, settings, self._ranks)
        base, self._model = made.base, made.model
        self.base = base
        self.encoder = Encoder(base.tokenizer, base.context_tokens, base.end_token, base.vocab_size)
        self._adapter_cache = AdapterCache(made.table, settings.max_adapters)
        self._sources = Sources(self._adapter_cache)
        self._forms = ConstraintCompiler(self.encoder.vocabulary)
        self._decoder = Decoder(
            made.batch,
            base.vocab_size,
            made.budget,
            settings.decode_rows,
            self._sources,
            self._tell,
        )

    def _add_formed(self, row: DecodeRow, form: "Future[ConstraintState]") -> None:
        """A row whose form was compiled, or could not be; nothing where it was given up."""
        if row.future.done():
            return
        if form.cancelled():
            self._decoder.refuse(row, Unavailable("the engine has stopped"))
        elif (error := form.exception()) is not None:
            self._decoder.refuse(row, error)
        else:
            row.form = form.result()
            self._decoder.add(row)

    # ── Ends ────────────────────────────────────────────────────────────────────────────────────

    def _tell(
        self, checkpoint_id: str | None, request: Request, outcome: Answer | BaseException
    ) -> None:
        for observer in self._observers:
            observer(checkpoint_id, request, outcome)

    def _stop(self) -> None:
        self._stopping = True

    def _abandon(self, error: Exception) -> None:
        self._forms.close()
        self._decoder.fail_all(error)
        self._task_queue.abandon(error)
        while True:
            try:
                self._inbox.get_nowait()()
            except queue.Empty:
                break
        self._task_queue.abandon(error)
        self._decoder.fail_all(error)
        self._requests.fail(error)  # whose form is compiled

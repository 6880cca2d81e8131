"""The engine: the one thread that owns MLX, and its schedule.

Everything that touches MLX at run time happens here: loading, decoding, training, evaluating,
swapping. Others hand in work and get futures. Work that takes long comes as a generator of pieces
(one transformer block forward or backward); between two pieces the waiting requests are decoded,
so a token never waits for more than one piece.
"""

import functools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import mlx.core as mx

from radiance import config
from radiance.engine.base import BaseModel, load_base
from radiance.engine.device import Device, select_device
from radiance.engine.encoding import EncodedExample, Encoder
from radiance.engine.generation import Answer, Decoder, Request, Row
from radiance.engine.probing import Reading, read_losses
from radiance.engine.slots import BASE_SLOT, Adapter, SlotModel, SlotTable
from radiance.engine.tasks import Pieces, Task
from radiance.errors import Overloaded, Unavailable
from radiance.records import CheckpointStatus
from radiance.telemetry import get_logger

T = TypeVar("T")
Observer = Callable[[str | None, "Future[Answer]"], None]

_IDLE_WAIT_S = 0.5
_STALE_AFTER_S = 10.0
_log = get_logger(__name__)


@dataclass(frozen=True)
class Source:
    """The weights that answer new requests.

    Attributes:
        slot: The adapter slot that holds them.
        checkpoint_id: Their checkpoint; None is the base.
    """

    slot: int
    checkpoint_id: str | None
    status: CheckpointStatus


_BASE = Source(BASE_SLOT, None, CheckpointStatus.BASE)


class Engine:
    """Serves and trains on one thread.

    Args:
        base_name: As configured; only for messages.
        base_path: The base model's directory.
        backend: As configured.
        settings: The ``[engine]`` section.
        max_waiting: Requests in flight or waiting before ``generate`` refuses.
    """

    def __init__(
        self,
        base_name: str,
        base_path: Path,
        backend: config.Backend,
        settings: config.Engine,
        max_waiting: int,
    ) -> None:
        self._base_name, self._base_path = base_name, base_path
        self._backend: config.Backend = backend
        self._settings = settings
        self._max_waiting = max_waiting
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._loaded: Future[None] = Future()
        self._stopping = False
        self._heartbeat = 0.0
        self._tasks: list[Task[Any]] = []
        self._waiting = 0
        self._waiting_lock = threading.Lock()
        self._source = _BASE
        self._users: dict[int, int] = {}
        self._live: tuple[Callable[[], Adapter], str] | None = None
        self._observers: list[Observer] = []
        # Set on the engine thread while it loads:
        self.device: Device
        self.base: BaseModel
        self.encoder: Encoder
        self._table: SlotTable
        self._model: SlotModel
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
        """Whether the thread is alive, loaded, and has come round its loop lately."""
        return (
            self._thread.is_alive()
            and self._loaded.done()
            and not self._stopping
            and time.monotonic() - self._heartbeat < _STALE_AFTER_S
        )

    # ── Called from any thread ──────────────────────────────────────────────────────────────────

    def generate(self, request: Request) -> "Future[Answer]":
        """Queue a request. Cancel the future's row with ``cancel``.

        Raises:
            Overloaded: Too many requests are in flight or waiting.
            Unavailable: The engine is not running.
        """
        if not self.is_ready:
            raise Unavailable("the engine is not running")
        with self._waiting_lock:
            if self._waiting >= self._max_waiting:
                raise Overloaded(f"{self._waiting} requests are waiting already")
            self._waiting += 1
        future: Future[Answer] = Future()
        future.add_done_callback(self._leave)
        self._inbox.put(lambda: self._admit(request, future))
        return future

    def cancel(self, future: "Future[Answer]") -> None:
        """Give up a request; its row leaves the batch before the next decode step."""
        self._inbox.put(lambda: self._decoder.cancel(future) if not future.done() else None)

    def observe(self, observer: Observer) -> None:
        """Tell of every request that ends: the checkpoint it was given to, and its future.

        Called on the engine thread, so it should be quick. Requests to training weights are not
        told of.
        """
        self._observers.append(observer)

    def read_losses(self, examples: Sequence[EncodedExample]) -> Task[Reading]:
        """The loss of texts under the weights that serve now, before any other long work."""
        task = Task(lambda: self._read_losses(examples))
        self._inbox.put(lambda: self._tasks.insert(0, task))
        return task

    def run(self, start: Callable[[], Pieces[T]]) -> Task[T]:
        """Run a generator of pieces on the engine thread, between decode steps.

        Args:
            start: Makes the generator; called on the engine thread.
        """
        task = Task(start)
        self._inbox.put(lambda: self._tasks.append(task))
        return task

    def call(self, function: Callable[[], T]) -> T:
        """Run something short on the engine thread and wait for what it returns."""
        if threading.current_thread() is self._thread:
            return function()
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                future.set_exception(error)

        self._inbox.put(run)
        return future.result()

    def swap(
        self, adapter: Adapter | None, checkpoint_id: str | None, status: CheckpointStatus
    ) -> None:
        """Answer new requests from another adapter; None is the base.

        Rows in flight stay on the adapter they began with. Returns when the swap has happened.
        """
        self.call(lambda: self._swap(adapter, checkpoint_id, status))

    def show_training(self, snapshot: Callable[[], Adapter], candidate_id: str) -> None:
        """Offer the live training weights to requests that ask for them.

        Args:
            snapshot: Gives the present weights; called on the engine thread.
            candidate_id: The id the checkpoint will have.
        """
        self._live = (snapshot, candidate_id)

    def hide_training(self) -> None:
        """End the offer: there are no live training weights."""
        self._live = None

    @property
    def source(self) -> Source:
        """What answers new requests now."""
        return self._source

    # ── On the engine thread ────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            self._load()
        except BaseException as error:  # noqa: BLE001 - start() raises it
            self._loaded.set_exception(error)
            mx.clear_streams()
            return
        self._heartbeat = time.monotonic()
        self._loaded.set_result(None)
        try:
            while not self._stopping:
                self._turn()
        except BaseException:
            _log.exception("engine_died")  # /ready says so from now on
            raise
        finally:
            self._abandon(Unavailable("the engine has stopped"))
            self._decoder.close()
            mx.clear_streams()  # or the interpreter may abort at exit

    def _turn(self) -> None:
        """Take in what arrived, decode a few tokens, then run one piece of the oldest task."""
        self._heartbeat = time.monotonic()
        self._take_in(wait=not len(self._decoder) and not self._tasks)
        steps = self._settings.decode_steps_per_piece if self._tasks else 1
        for _ in range(steps):
            if len(self._decoder):
                self._decode()
        if self._tasks and not (task := self._tasks[0]).advance():
            self._tasks.remove(task)

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

    def _decode(self) -> None:
        try:
            self._decoder.step()
        except Exception as error:  # noqa: BLE001 - the batch is lost, not the engine; its rows hear
            _log.exception("decode_step_failed")
            self._decoder.fail_all(error)

    def _load(self) -> None:
        self.device = select_device(self._backend)
        self.base = load_base(self._base_name, self._base_path, self.device)
        self.encoder = Encoder(self.base.tokenizer, self.base.context_tokens, self.base.end_token)
        self._table = SlotTable()
        self._model = SlotModel(self.base.model, self._table)
        self._decoder = Decoder(
            self._model,
            self.base.tokenizer,
            self.encoder,
            self._settings.decode_rows,
            self._settings.prefill_tokens,
            self._release,
        )

    def _admit(self, request: Request, future: "Future[Answer]") -> None:
        if not future.set_running_or_notify_cancel():
            return
        source = self._source
        if request.use_training and (live := self._live) is not None:
            snapshot, candidate_id = live
            source = Source(self._table.fill(snapshot()), candidate_id, CheckpointStatus.TRAINING)
        self._hold(source.slot)
        row = Row(
            request,
            source.slot,
            source.checkpoint_id,
            source.status,
            future,
            self.base.tokenizer.detokenizer,
            time.perf_counter(),
        )
        if source.status != CheckpointStatus.TRAINING:
            future.add_done_callback(functools.partial(self._tell, source.checkpoint_id))
        try:
            self._decoder.admit(row)
        except Exception as error:  # noqa: BLE001 - this request's fault, not the engine's
            _log.exception("request_not_admitted")
            self._release(source.slot)
            future.set_exception(error)

    def _tell(self, checkpoint_id: str | None, future: "Future[Answer]") -> None:
        for observer in self._observers:
            observer(checkpoint_id, future)

    def _read_losses(self, examples: Sequence[EncodedExample]) -> Pieces[Reading]:
        source = self._source
        self._hold(source.slot)
        try:
            losses = yield from read_losses(
                self._model, source.slot, examples, self._settings.prefill_tokens
            )
        finally:
            self._release(source.slot)
        return Reading(source.checkpoint_id, losses)

    def _swap(
        self, adapter: Adapter | None, checkpoint_id: str | None, status: CheckpointStatus
    ) -> None:
        previous = self._source
        if adapter is None:
            self._source = _BASE
        else:
            slot = self._table.fill(adapter)
            self._hold(slot)
            self._source = Source(slot, checkpoint_id, status)
        if previous.slot != BASE_SLOT:
            self._release(previous.slot)

    def _hold(self, slot: int) -> None:
        self._users[slot] = self._users.get(slot, 0) + 1

    def _release(self, slot: int) -> None:
        """One user less: the rows on a slot use it, and so does being served by default."""
        self._users[slot] -= 1
        if not self._users[slot]:
            del self._users[slot]
            if slot != BASE_SLOT:
                self._table.free(slot)

    def _leave(self, _: "Future[Answer]") -> None:
        with self._waiting_lock:
            self._waiting -= 1

    def _stop(self) -> None:
        self._stopping = True

    def _abandon(self, error: Exception) -> None:
        self._decoder.fail_all(error)
        for task in self._tasks:
            task.abandon(error)
        while True:
            try:
                self._inbox.get_nowait()()
            except queue.Empty:
                break
        for task in self._tasks:
            task.abandon(error)
        self._decoder.fail_all(error)

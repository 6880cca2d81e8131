"""Holds training up while it should not run: a person has paused it, or the machine is needed.

The engine asks nobody between pieces; this looks every second, on a thread of its own, and tells
it. Requests are answered all the time. A cycle that is held up goes on where it stood.
"""

import threading

from radiance.engine.worker import Engine
from radiance.learning.machine_conditions import MachineConditions
from radiance.learning.pause_switch import Pause, PauseSwitch
from radiance.periodic import PeriodicThread
from radiance.storage.reserve import Reserve, spend_nothing
from radiance.telemetry import get_logger

_LOOK_S = 1.0
_log = get_logger(__name__)


class TrainingPause:
    """Pauses and resumes the engine's training.

    Args:
        engine: Is told.
        switch: What a person wants.
        machine_conditions: What the machine allows.
        standing: Why this service never trains, as a clause; None: it does.
        reserve: Room that is given up for a pause where the disk is full; None: there is none.
    """

    def __init__(
        self,
        engine: Engine,
        switch: PauseSwitch,
        machine_conditions: MachineConditions,
        standing: str | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        self._engine, self._switch, self._machine_conditions = engine, switch, machine_conditions
        self._standing = standing
        self._spend = spend_nothing if reserve is None else reserve.spend
        self._look_lock = threading.Lock()
        self._thread = PeriodicThread("training_pause", self.look, _LOOK_S)
        self._pause = switch.get()

    def start(self) -> None:
        """Look once, then every second."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and let what is under way come to its end."""
        self._thread.stop()
        self._engine.resume()

    @property
    def pause_in_force(self) -> Pause | None:
        """What a person has asked for; None where nobody has."""
        return self._pause

    def objection(self) -> str | None:
        """Why nothing is trained now, as a clause; None where it may be."""
        return self._engine.paused

    def pause(self, actor: str, reason: str) -> None:
        """Train nothing until ``resume``, across restarts; in force on return."""
        self._spend(lambda: self._switch.set(True, actor, reason))
        _log.info("training_paused", actor=actor, reason=reason)
        self.look()

    def resume(self, actor: str, reason: str) -> None:
        """End a pause. What the machine asks for stays in force."""
        self._spend(lambda: self._switch.set(False, actor, reason))
        _log.info("training_resumed", actor=actor, reason=reason)
        self.look()

    def look(self) -> None:
        """Bring the engine in line with what a person and the machine want."""
        with self._look_lock:
            self._pause = self._switch.get()
            if self._pause is not None:
                objection = f"paused by {self._pause.actor}: {self._pause.reason}"
            else:
                objection = self._standing or self._machine_conditions.objection()
            before = self._engine.paused
            if objection == before:
                return
            if objection is None:
                self._engine.resume()
            else:
                self._engine.pause(objection)
        _log.info("training_held_up" if objection else "training_goes_on", reason=objection)

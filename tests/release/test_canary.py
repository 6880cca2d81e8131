"""Who meets a candidate, and what is kept of it; the router looks when it is told to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from radiance.engine.requests import SERVING, Request, Weights
from radiance.errors import Conflict, EngineFailed, NotFound
from radiance.records import CheckpointStatus, Message
from radiance.release.canary import CanaryRouter
from radiance.release.shadow import RoutedWeights
from tests.support import Running

CALLERS = [f"caller {number}" for number in range(200)]


class Router:
    """A router over a service that has learned, with a clock moved by hand."""

    def __init__(self, running: Running) -> None:
        self.services = services = running.service.services
        self.now = 0.0
        self.canary = CanaryRouter(
            services.config,
            services.engine,
            services.registry,
            services.experiments,
            services.feedback,
            clock=lambda: self.now,
        )
        by_status = {c.status: c.checkpoint_id for c in services.registry.all(9)}
        self.rejected = by_status[CheckpointStatus.REJECTED]
        self.served = services.engine.source.checkpoint_id

    def begin(self, checkpoint: str = "base", **changes: Any) -> None:
        options: dict[str, Any] = {"mode": "canary", "share": 0.5, "force": False, **changes}
        mode, share = options.pop("mode"), options.pop("share")
        self.canary.begin(mode, checkpoint, share, "api", "A try.", **options)

    def request(self, weights: Weights) -> Request:
        tokens = self.services.engine.encoder.prompt([Message("user", "Who?")])
        return Request(tokens, 3, weights=weights, ignore_end=True)

    def ask(self, caller: str) -> None:
        self.canary.submit(self.request(self.canary.route(caller))).result()

    def arm_of(self, caller: str) -> str:
        routed = self.canary.route(caller)
        assert isinstance(routed, RoutedWeights)
        return routed.arm

    def report(self) -> Any:
        self.now += 10  # a report is made anew, and kept no longer
        assert self.canary.running is not None
        return self.canary.report(self.canary.running)


@pytest.fixture
def router(checkpointed_root: Path, serve: Callable[..., Running]) -> Iterator[Router]:
    router = Router(serve(**{"monitor.action": "off"}))
    yield router
    if router.canary.running:
        router.canary.end("api", "The test is over.")


def test_without_an_experiment_everybody_gets_what_serves(router: Router) -> None:
    assert {id(router.canary.route(caller)) for caller in CALLERS} == {id(SERVING)}
    assert router.canary.candidate_of("ann") == (False, None)
    with pytest.raises(Conflict, match="No canary is under way"):
        router.canary.end("api", "Nothing.")


def test_a_caller_stays_on_a_side_across_a_restart(router: Router) -> None:
    router.begin()
    sides = [router.arm_of(caller) for caller in CALLERS]
    assert set(sides) == {"champion", "candidate"}
    again = CanaryRouter(
        router.services.config,
        router.services.engine,
        router.services.registry,
        router.services.experiments,
        router.services.feedback,
    )
    again.start()
    try:
        assert [again.candidate_of(c)[0] for c in CALLERS] == [s == "candidate" for s in sides]
    finally:
        again.stop()


def test_a_shadow_answers_nobody(router: Router) -> None:
    router.begin(mode="shadow", share=1.0)
    assert {router.arm_of(caller) for caller in CALLERS} == {"champion"}


def test_what_cannot_be_tried_is_refused(router: Router) -> None:
    assert router.served is not None
    for checkpoint, error, reason in (
        (router.served, Conflict, "serves already"),
        (router.rejected, Conflict, "was rejected"),
        ("A_2020-01-01_0001", NotFound, "A_2020-01-01_0001"),
    ):
        with pytest.raises(error, match=reason):
            router.begin(checkpoint)
    assert router.canary.running is None
    router.begin(router.rejected, force=True)
    with pytest.raises(Conflict, match="under way already"):
        router.begin("base")


def test_a_rejected_checkpoint_may_be_tried_unseen(router: Router) -> None:
    router.begin(router.rejected, mode="shadow")
    assert router.canary.running is not None
    assert router.canary.running.candidate == router.rejected


def test_a_damaged_candidate_is_not_tried(router: Router, checkpointed_root: Path) -> None:
    weights = checkpointed_root / "adapters" / router.rejected / "adapters.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(Exception, match=router.rejected):
        router.begin(router.rejected, mode="shadow")
    assert router.canary.running is None


def test_an_answer_is_counted_on_its_side_and_read(router: Router) -> None:
    router.begin(share=1.0)
    router.ask("ann")
    router.canary.tick()
    arms = router.report().arms
    assert (arms.candidate.answers, arms.champion.answers) == (1, 0)
    assert router.report().dropped == 0


def test_what_would_wait_too_long_is_counted_and_not_read(router: Router) -> None:
    router.begin(share=1.0)
    router.ask("ann")
    router.now += 11
    router.canary.tick()
    shown = router.report()
    assert (shown.dropped, shown.arms.candidate.answers) == (1, 1)


def test_a_failure_of_the_engine_counts_and_one_of_the_caller_does_not(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    router.begin(share=1.0)
    engine = router.services.engine
    submit = engine.submit

    def failing(error: Exception) -> Callable[..., Any]:
        def fail(request: Request, on_event: Any = None) -> Any:
            future = submit(request, on_event)
            future.result()
            failed = type(future)()
            failed.set_exception(error)
            return failed

        return fail

    for error in (EngineFailed("the device is gone"), Conflict("x", remedy="y")):
        monkeypatch.setattr(engine, "submit", failing(error))
        with pytest.raises(type(error)):
            router.ask("ann")
    monkeypatch.undo()
    router.canary.tick()
    arm = router.report().arms.candidate
    assert (arm.failures, arm.answers) == (1, 0)


def test_it_ends_by_itself_once_its_candidate_serves(router: Router) -> None:
    router.begin("base")
    router.services.pointer.rollback("base", "api", "It was better.")
    router.canary.tick()
    assert router.canary.running is None
    ended = router.services.experiments.last()
    assert ended is not None
    assert (ended.ended_by, ended.end_reason) == ("canary", "It serves now.")

"""Rows 4, 5, 6 and 14 on ``mlx_lm.server``, beside ours. It learns nothing: no queue to flood."""

import contextlib
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.models import Model
from bench.processes import Figures
from bench.servers import Server, Servers, save_random_adapter
from bench.survival.clients import (
    CHAT,
    THEIRS,
    attack,
    attacks,
    chat,
    send_malformed,
    spoil,
)
from bench.survival.operation import loaded, sample_process, sampled, tell_soak
from bench.survival.service import call, leave_stream
from bench.survival.trials import Plan, Row, Trial, verdict

_ADAPTERS = 30
_PATIENCE_S = 15


def _answers(server: Server) -> bool:
    """Whether an ordinary chat is answered."""
    with contextlib.suppress(OSError):
        if server.process.poll() is None:
            body = chat(model=THEIRS)
            return call(server.port, "POST", CHAT, body, timeout=_PATIENCE_S).status == 200
    return False


def _adapters(plan: Plan, root: Path) -> Figures:
    """Adapters that nobody could serve, asked for by path; by a fresh server after each loss."""
    dice, counts, wrong = random.Random("adapters 0"), dict.fromkeys(("taken", "lost"), 0), []
    model = Model(str(plan.base))
    good = save_random_adapter(model, root / "good", seed=1)
    with Servers() as servers:
        server = servers.mlx_lm(model)
        for number in range(_ADAPTERS):
            bad = shutil.copytree(good, root / "bad")
            how = spoil(bad, number, dice)
            body = chat(model=THEIRS, adapters=str(bad))
            with contextlib.suppress(OSError):
                if call(server.port, "POST", CHAT, body, timeout=_PATIENCE_S).status == 200:
                    counts["taken"] += 1
                    wrong.append(f"{how}: served")
            if not _answers(server):
                counts["lost"] += 1
                wrong.append(f"{how}: no chat afterwards")
                server.process.kill()
                server = servers.mlx_lm(model)
            shutil.rmtree(bad)
    return verdict(wrong, adapters=_ADAPTERS, **counts)


def _tell_adapters(figures: Sequence[Figures]) -> str:
    one = figures[0] if figures else {}
    if "taken" not in one:
        return ""
    return f"{one['adapters']} adapters: {one['taken']} served, {one['lost']} ended or stopped it"


def _malformed(plan: Plan, root: Path) -> Figures:
    """All of them, by a fresh server from the one on that ended the last."""
    with Servers() as servers:
        server = servers.mlx_lm(Model(str(plan.base)))
        return send_malformed(server.port, False, lambda: server.process.poll() is None)


def _attacked(plan: Plan, root: Path, name: str) -> Figures:
    with Servers() as servers:
        server = servers.mlx_lm(Model(str(plan.base)))
        run = attacks(False)[name]
        found = attack(server.port, server.process, name, run, CHAT, chat(model=THEIRS))
        wrong = [found["why"]] if found["why"] else []
        wrong += [] if _answers(server) else ["no chat afterwards"]
        return {**found, **verdict(wrong)}


def _too_much(plan: Plan) -> Sequence[Trial]:
    def trial(name: str) -> Trial:
        return Trial(name, lambda root: _attacked(plan, root, name))

    return [trial(name) for name in attacks(False)]


def _soak(plan: Plan, root: Path) -> Figures:
    """Chats, and streams that nobody reads to their end."""
    failed: set[str] = set()
    done = 0
    with Servers() as servers:
        server = servers.mlx_lm(Model(str(plan.base)))

        def ask(dice: random.Random) -> None:
            nonlocal done
            body = chat(f"Who is {dice.random()}?", model=THEIRS, max_tokens=8)
            told = call(server.port, "POST", CHAT, body)
            done += 1
            if told.status != 200:
                failed.add(f"{told.status} {str(told.body)[:80]}")

        def leave(dice: random.Random) -> None:
            nonlocal done
            body = chat(f"Tell me {dice.random()}", model=THEIRS, stream=True, max_tokens=200)
            leave_stream(server.port, CHAT, body)
            done += 1

        with loaded((ask, ask, leave)):
            samples, slopes, errors = sampled(plan.minutes, lambda: sample_process(server.process))
        wrong = sorted(failed)[:3] + ([] if _answers(server) else ["no chat afterwards"])
    return verdict(
        wrong,
        minutes=plan.minutes,
        requests=done,
        first=samples[0],
        last=samples[-1],
        slopes_per_minute=slopes,
        slope_errors=errors,
    )


ROWS = (
    Row(
        4,
        "adapters that are truncated, not finite, mislabelled, deep, FIFOs, devices",
        lambda plan: [Trial(f"{_ADAPTERS} adapters", lambda root: _adapters(plan, root), 1200)],
        _tell_adapters,
    ),
    Row(
        5,
        "malformed requests",
        lambda plan: [Trial("all", lambda root: _malformed(plan, root))],
        lambda figures: f"ended after: {figures[0].get('died_after', '-')}" if figures else "",
    ),
    Row(6, "too much: prompts, bodies, headers, connections", _too_much),
    Row(
        14,
        "chats, and streams that nobody reads to their end",
        lambda plan: [
            Trial(
                f"{plan.minutes:g} minutes", lambda root: _soak(plan, root), 60 * plan.minutes + 400
            )
        ],
        tell_soak,
    ),
)

"""Rows 5 and 6 on ``mlx_lm.server``, beside ours."""

from collections.abc import Sequence
from pathlib import Path

from bench.models import Model
from bench.processes import Figures
from bench.servers import Servers
from bench.survival.clients import CHAT, THEIRS, attack, attacks, chat, send_malformed
from bench.survival.trials import Plan, Row, Trial, verdict


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
        status, _ = (
            (0, None)
            if server.process.poll() is not None
            else server.call("POST", CHAT, chat(model=THEIRS))
        )
        wrong = [found["why"]] if found["why"] else []
        return {**found, **verdict([*wrong, *([] if status == 200 else ["no chat afterwards"])])}


def _too_much(plan: Plan) -> Sequence[Trial]:
    def trial(name: str) -> Trial:
        return Trial(name, lambda root: _attacked(plan, root, name))

    return [trial(name) for name in attacks(False)]


ROWS = (
    Row(
        5,
        "malformed requests",
        lambda plan: [Trial("all", lambda root: _malformed(plan, root))],
        lambda figures: f"ended after: {figures[0].get('died_after', '-')}" if figures else "",
    ),
    Row(6, "too much: prompts, bodies, headers, connections", _too_much),
)

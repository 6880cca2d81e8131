"""The registry against a list: whatever is done to it, and however often it restarts."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from radiance.errors import Conflict, CorruptCheckpoint
from radiance.records import CheckpointStatus
from radiance.registry.reconciliation import reconcile
from radiance.registry.verification import verify
from tests.example_counts import examples

REJECTED = CheckpointStatus.REJECTED


def build_machine(make_workshop) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.directory = tempfile.TemporaryDirectory()
            self.workshop = make_workshop(Path(self.directory.name))
            self.status: dict[str, CheckpointStatus] = {}
            self.parent: dict[str, str | None] = {}
            self.served: list[str | None] = [None]
            self.releases: list[str | None] = []
            self.broken: set[str] = set()
            self.issued: list[str] = []
            self.is_pinned = False
            self.changes = 0

        def teardown(self) -> None:
            self.workshop.db.close()
            self.directory.cleanup()

        def release(self, target: str | None) -> None:
            self.releases.append(target)
            self.changes += 1

        @rule(status=st.sampled_from(list(CheckpointStatus)[:3]), is_repeated=st.booleans())
        def commit(self, status, is_repeated):
            parent = self.served[-1]
            cycle = self.workshop.cycle(parent)
            self.issued.append(cycle.candidate_id)
            for _ in range(1 + is_repeated):
                assert self.workshop.commit(cycle, status=status) == cycle.candidate_id
            self.status[cycle.candidate_id] = status
            self.parent[cycle.candidate_id] = parent
            if status == CheckpointStatus.STABLE and not self.is_pinned:
                self.served.append(cycle.candidate_id)
                self.release(cycle.candidate_id)
            else:
                self.changes += 1

        @precondition(lambda self: self.status)
        @rule(data=st.data(), force=st.booleans())
        def promote_by_hand(self, data, force):
            target = data.draw(st.sampled_from(sorted(self.status)))
            registry = self.workshop.registry
            is_refused = self.status[target] == REJECTED and not force
            if target == self.served[-1] or is_refused:
                with pytest.raises(Conflict):
                    registry.promote(target, "api", "why", force=force)
            elif target in self.broken:
                with pytest.raises(CorruptCheckpoint):
                    registry.promote(target, "api", "why", force=force)
            else:
                registry.promote(target, "api", "why", force=force)
                if self.status[target] == REJECTED:
                    self.status[target] = CheckpointStatus.RISKY
                self.served.append(target)
                self.release(target)

        @rule()
        def pin_or_unpin(self):
            registry = self.workshop.registry
            if self.is_pinned:
                registry.unpin("api", "why")
            else:
                registry.pin(None, "api", "why")
            self.is_pinned = not self.is_pinned
            self.changes += 1

        @precondition(lambda self: self.is_pinned and self.served[-1] is not None)
        @rule()
        def nothing_moves_a_pinned_pointer_by_itself(self):
            if self.served[-2] not in self.broken:
                with pytest.raises(Conflict, match="pinned"):
                    self.workshop.registry.rollback(None, "monitor", "why")

        @rule()
        def take_an_id_and_crash(self):
            self.issued.append(self.workshop.new_id())
            self.workshop.registry.staging(self.issued[-1])

        @rule()
        def roll_back_once(self):
            target = self.served[-2] if len(self.served) > 1 else None
            if self.served[-1] is None:
                with pytest.raises(Conflict):
                    self.workshop.registry.rollback(None, "cli", "why")
            elif target in self.broken:
                with pytest.raises(CorruptCheckpoint):
                    self.workshop.registry.rollback(None, "cli", "why")
            else:
                self.workshop.registry.rollback(None, "cli", "why")
                self.served.pop()
                self.release(target)

        @precondition(lambda self: self.status)
        @rule(data=st.data())
        def roll_back_to(self, data):
            target = data.draw(st.sampled_from([*self.status, "base"]))
            wanted = None if target == "base" else target
            if wanted == self.served[-1] or self.status.get(target) == REJECTED:
                with pytest.raises(Conflict):
                    self.workshop.registry.rollback(target, "cli", "why")
            elif target in self.broken:
                with pytest.raises(CorruptCheckpoint):
                    self.workshop.registry.rollback(target, "cli", "why")
            else:
                self.workshop.registry.rollback(target, "cli", "why")
                if wanted in self.served:
                    while self.served[-1] != wanted:
                        self.served.pop()
                else:
                    self.served.append(wanted)
                self.release(wanted)

        @precondition(lambda self: set(self.status) - self.broken)
        @rule(data=st.data(), is_missing=st.booleans())
        def damage(self, data, is_missing):
            target = data.draw(st.sampled_from(sorted(set(self.status) - self.broken)))
            if is_missing:
                shutil.rmtree(self.workshop.adapters / target)
            else:
                self.workshop.damage(target)
            self.broken.add(target)

        @rule(wrong=st.sampled_from(["nowhere", None]))
        def restart(self, wrong):
            link = self.workshop.adapters / "stable"
            link.unlink(missing_ok=True)
            if wrong:
                link.symlink_to(wrong)
            self.workshop.reopen()
            reconcile(self.workshop.registry)
            if self.served[-1] in self.broken:
                while self.served[-1] in self.broken:
                    self.served.pop()
                self.release(self.served[-1])
            self.link_follows()
            left = [p.name for p in self.workshop.adapters.iterdir() if p.name.startswith(".tmp")]
            assert left == []
            found = verify(self.workshop.db.path, self.workshop.adapters)
            assert found.entries == self.changes
            assert {f.split("/")[1] for f in found.findings} == self.broken

        def link_follows(self) -> None:
            self.workshop.registry.point_stable()
            link = self.workshop.adapters / "stable"
            assert (os.readlink(link) if link.is_symlink() else None) == self.served[-1]

        @invariant()
        def agrees_with_the_list(self):
            registry = self.workshop.registry
            assert self.workshop.current() == self.served[-1]
            assert registry.history() == self.served
            assert [r.checkpoint_id for r in reversed(registry.releases(99))] == self.releases
            found = registry.all(99)
            assert {c.checkpoint_id: c.status for c in found} == self.status
            assert sum(c.is_current for c in found) == (self.served[-1] is not None)
            assert len(set(self.issued)) == len(self.issued)
            if self.served[-1] is not None:
                chain = [self.served[-1]]
                while (parent := self.parent[chain[-1]]) is not None:
                    chain.append(parent)
                assert registry.ancestors(self.served[-1]) == chain

    return Machine


def test_registry_agrees_with_a_list(make_workshop):
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        build_machine(make_workshop),
        settings=examples(12, stateful_step_count=20, deadline=None),
    )

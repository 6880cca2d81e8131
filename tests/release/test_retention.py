"""What is pruned, and that nothing which serves, may come back or is wanted loses its weights."""

import contextlib
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import records
from radiance.config import Config, RetentionSettings, ServerSettings
from radiance.errors import Conflict
from radiance.records import CheckpointStatus, MetricPoint, Votes
from radiance.registry import labels
from radiance.registry.backup import back_up
from radiance.registry.curves import MetricCurves
from radiance.registry.manifest import WEIGHTS
from radiance.registry.names import CheckpointNames
from radiance.registry.reconciliation import reconcile
from radiance.registry.restoring import restore
from radiance.registry.verification import verify
from radiance.registry.withdrawal import newest_without
from radiance.release.experiments import ArmAnswer, Experiments
from radiance.release.feedback import FeedbackLog
from radiance.release.retention import Retention, StoredHistory, needed
from tests.registry.conftest import Workshop

PATIENCE_S = 5.0


@pytest.fixture
def workshop(tmp_path: Path):
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.db.close()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def config_of(workshop, **settings) -> Config:
    return Config(
        root=workshop.root,
        retention=RetentionSettings(**settings),
        server=ServerSettings(request_timeout_s=PATIENCE_S),
    )


def retention_of(workshop, clock=None, **settings) -> Retention:
    return Retention(config_of(workshop, **settings), workshop.registry, clock=clock or Clock())


def with_weights(workshop) -> list[str]:
    return sorted(path.parent.name for path in workshop.adapters.glob(f"A_*/{WEIGHTS}"))


def pruned(workshop, **settings) -> list[str]:
    """Prune and delete at once; the ids that lost their weights."""
    clock = Clock()
    retention = retention_of(workshop, clock, **settings)
    before = with_weights(workshop)
    retention.prune("me", "for room")
    clock.now += PATIENCE_S + 1
    retention.delete_given_up()
    return [id for id in before if id not in with_weights(workshop)]


# ── The law ─────────────────────────────────────────────────────────────────────────────────────


@st.composite
def pasts(draw) -> StoredHistory:
    ids = [f"A{number}" for number in range(draw(st.integers(0, 12)))]
    some = st.lists(st.sampled_from(ids), unique=True) if ids else st.just([])
    parents = {id: draw(st.sampled_from([None, *ids[:place]])) for place, id in enumerate(ids)}
    served = st.lists(st.sampled_from([None, *ids]), max_size=20)
    return StoredHistory(
        parents,
        [None, *draw(served)],
        dict.fromkeys(draw(some), "in use"),
        dict.fromkeys(draw(some), "wanted"),
        draw(some),
    )


@given(pasts(), st.integers(0, 6), st.integers(2, 6))
def test_what_is_needed_is_never_pruned(past, keep, keep_promoted):
    kept = needed(past, keep, keep_promoted).keys()
    there = [id for id in past.parents if id not in past.gone]
    serves = past.history[-1]
    assert kept <= set(there)
    must = {serves, *past.in_use, *past.wanted, *there[-keep:]}  # of 0 that is all
    must |= {past.parents.get(id) for id in (serves, *past.in_use)}
    assert must & set(there) <= kept
    # However often one rolls back, up to the bound, what would serve has its weights.
    history = [id for id in past.history if id not in past.gone]
    back = dict.fromkeys(id for id in reversed(history) if id is not None)
    assert set(list(back)[:keep_promoted]) <= kept


@given(pasts(), st.integers(1, 6), st.integers(2, 6))
def test_what_is_kept_is_bounded(past, keep, keep_promoted):
    kept = needed(past, keep, keep_promoted)
    most = keep + keep_promoted + 2 * (len(past.in_use) + 1) + len(past.wanted)
    assert len(kept) <= most


# ── On disk ─────────────────────────────────────────────────────────────────────────────────────


def test_the_newest_and_those_that_served_last_stay(workshop):
    ids = [workshop.commit() for _ in range(6)]
    assert pruned(workshop, keep_checkpoints=1, keep_promoted=2) == ids[:4]
    assert workshop.current() == ids[5]
    workshop.registry.rollback(None, "me", "why")
    assert workshop.current() == ids[4]
    found = verify(workshop.db.path, workshop.adapters)
    assert found.is_sound, found.findings


def test_nothing_is_pruned_unless_settings_say_so(workshop):
    for _ in range(4):
        workshop.commit()
    clock = Clock()
    retention = retention_of(workshop, clock)
    retention.tick()
    clock.now += PATIENCE_S + 1
    retention.tick()
    assert len(with_weights(workshop)) == 4
    assert workshop.registry.pruned() == set()


def test_what_people_and_experiments_hold_stays(workshop):
    ids = [workshop.commit() for _ in range(8)]
    registry = workshop.registry
    CheckpointNames(workshop.db).give("mine", ids[0])
    labels.label(registry, ids[1], "Door codes", "", "me")
    registry.pin(ids[2], "me", "why")  # which serves it
    registry.promote(ids[7], "me", "why")
    Experiments(workshop.db, registry.audit).start("canary", ids[3], 0.5, "me", "why")
    assert pruned(workshop, keep_checkpoints=1, keep_promoted=2) == [ids[4], ids[5]]
    # of what serves and is tried the parents stay, too: ids[6], ids[1], ids[2]


def test_a_tag_keeps_what_was_taught_with_it(workshop):
    ids = [workshop.commit() for _ in range(4)]
    with workshop.db.transaction() as connection:
        connection.execute(
            "INSERT INTO cycles (fingerprint, candidate_id, settings_hash, status, created_at)"
            " VALUES ('f', ?, 's', 'finished', 'now')",
            (ids[0],),
        )
        connection.execute(
            "INSERT INTO jobs (body_hash, status, created_at, example_count, tags, cycle_id,"
            " checkpoint) VALUES ('h', 'succeeded', 'now', 1, '[\"release\", \"x\"]', 1, ?)",
            (ids[0],),
        )
    settings = {"keep_checkpoints": 1, "keep_promoted": 2}
    assert pruned(workshop, keep_tags=("release",), **settings) == [ids[1]]
    assert pruned(workshop, keep_tags=("other",), **settings) == [ids[0]]


def test_the_cycle_under_way_keeps_its_parent(workshop):
    ids = [workshop.commit() for _ in range(5)]
    with workshop.db.transaction() as connection:
        connection.execute(
            "INSERT INTO cycles (fingerprint, candidate_id, parent_id, settings_hash, status,"
            " created_at) VALUES ('f', 'A_none', ?, 's', 'open', 'now')",
            (ids[1],),
        )
    # of the parent of what is learned now the own parent stays, too
    assert pruned(workshop, keep_checkpoints=1, keep_promoted=2) == [ids[2]]


def test_what_only_a_cycle_or_a_name_kept_goes_once_that_has_ended(workshop):
    ids = [workshop.commit() for _ in range(5)]
    names = CheckpointNames(workshop.db)
    names.give("mine", ids[2])
    with workshop.db.transaction() as connection:
        connection.execute(
            "INSERT INTO cycles (fingerprint, candidate_id, parent_id, settings_hash, status,"
            " created_at) VALUES ('f', 'A_none', ?, 's', 'open', 'now')",
            (ids[1],),
        )
    retention = retention_of(workshop, keep_checkpoints=1, keep_promoted=2)
    for _ in range(2):  # the first look writes an entry
        retention.tick()
    assert workshop.registry.pruned() == set()
    names.take("mine")
    for _ in range(2):
        retention.tick()
    assert workshop.registry.pruned() == {ids[2]}
    with workshop.db.transaction() as connection:
        connection.execute("UPDATE cycles SET status = 'finished' WHERE candidate_id = 'A_none'")
    retention.tick()
    assert workshop.registry.pruned() == set(ids[:3])


def test_a_pruned_checkpoint_is_refused_by_whoever_would_use_it(workshop):
    ids = [workshop.commit() for _ in range(5)]
    retention = retention_of(workshop, keep_checkpoints=1, keep_promoted=2)
    retention.prune("me", "for room")
    assert with_weights(workshop) == ids  # somebody who took one up may wait for it
    registry, names = workshop.registry, CheckpointNames(workshop.db)
    experiments = Experiments(workshop.db, registry.audit)
    for use in (
        lambda: registry.promote(ids[0], "me", "why", force=True),
        lambda: registry.rollback(ids[0], "me", "why"),
        lambda: registry.pin(ids[0], "me", "why"),
        lambda: names.give("mine", ids[0]),
        lambda: experiments.start("shadow", ids[0], 1.0, "me", "why"),
        lambda: registry.check_can_serve(ids[0]),
    ):
        with pytest.raises(Conflict, match="pruned"):
            use()
    assert registry.get(ids[0]).is_pruned
    assert registry.manifest(ids[0]).checkpoint_id == ids[0]


def test_one_that_is_pruned_between_the_look_and_the_move_is_refused(workshop, monkeypatch):
    ids = [workshop.commit() for _ in range(5)]
    registry = workshop.registry
    look = registry._check_usable

    def look_and_be_overtaken(checkpoint_id, force):
        found = look(checkpoint_id, force)
        retention_of(workshop, keep_checkpoints=1, keep_promoted=2).prune("me", "for room")
        return found

    monkeypatch.setattr(registry, "_check_usable", look_and_be_overtaken)
    with pytest.raises(Conflict, match="pruned"):
        registry.rollback(ids[0], "me", "why")
    assert workshop.current() == ids[4]


def test_weights_go_once_nobody_can_wait_for_them_or_at_the_next_start(workshop):
    ids = [workshop.commit() for _ in range(5)]
    clock = Clock()
    retention = retention_of(workshop, clock, keep_checkpoints=1, keep_promoted=2)
    assert retention.prune("me", "for room").checkpoints == tuple(ids[:3])
    assert retention.delete_given_up() == []
    clock.now += PATIENCE_S + 1
    assert retention.delete_given_up() == ids[:3]
    workshop.commit()
    retention.prune("me", "for room")
    again = retention_of(workshop, clock, keep_checkpoints=1, keep_promoted=2)
    assert again.delete_given_up() == [ids[3]]  # of a process that is gone nobody waits


def test_a_rollback_past_what_was_pruned_goes_to_what_is_there(workshop):
    first = workshop.commit()
    CheckpointNames(workshop.db).give("mine", first)
    for _ in range(4):
        workshop.commit()
    pruned(workshop, keep_checkpoints=1, keep_promoted=2)
    workshop.registry.rollback(None, "me", "why")
    workshop.registry.rollback(None, "me", "why")
    assert workshop.current() == first


def test_a_start_finds_nothing_wrong_with_what_was_pruned(workshop):
    ids = [workshop.commit() for _ in range(5)]
    workshop.damage(ids[0])
    workshop.damage(ids[1])
    reconcile(workshop.registry)
    pruned(workshop, keep_checkpoints=1, keep_promoted=2)
    workshop.reopen()
    assert reconcile(workshop.registry) == []
    found = verify(workshop.db.path, workshop.adapters)
    assert found.is_sound, found.findings


def test_weights_that_were_not_pruned_are_missed(workshop):
    ids = [workshop.commit() for _ in range(5)]
    pruned(workshop, keep_checkpoints=1, keep_promoted=2)
    (workshop.adapters / ids[4] / WEIGHTS).unlink()
    found = verify(workshop.db.path, workshop.adapters)
    assert [ids[4] in finding for finding in found.findings] == [True]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE checkpoints SET pruned_at = 'now' WHERE id = ?",
        "UPDATE checkpoints SET pruned_at = NULL WHERE id < ?",
    ],
)
def test_a_mark_that_the_log_does_not_know_is_found(workshop, change):
    ids = [workshop.commit() for _ in range(5)]
    retention_of(workshop, keep_checkpoints=1, keep_promoted=2).prune("me", "for room")
    with workshop.db.transaction() as connection:
        connection.execute(change, (ids[3],))
    found = verify(workshop.db.path, workshop.adapters)
    assert found.findings
    assert all("pruned" in finding for finding in found.findings)


def test_a_backup_of_a_pruned_root_is_whole(workshop, tmp_path):
    ids = [workshop.commit(status=CheckpointStatus.STABLE) for _ in range(5)]
    pruned(workshop, keep_checkpoints=1, keep_promoted=2)
    target, copy = tmp_path / "backup", tmp_path / "copy"
    back_up(config_of(workshop), target)
    restore(target, copy)
    assert {path.parent.name for path in copy.glob(f"adapters/*/{WEIGHTS}")} >= set(ids[3:])


def test_a_backup_begins_again_where_one_is_pruned_while_it_copies(workshop, tmp_path, monkeypatch):
    from radiance.registry import backup

    ids = [workshop.commit() for _ in range(5)]
    read, calls = backup._read_copy, []

    def read_and_be_overtaken(path):
        found = read(path)
        if not calls:
            pruned(workshop, keep_checkpoints=1, keep_promoted=2)
        calls.append(path)
        return found

    monkeypatch.setattr(backup, "_read_copy", read_and_be_overtaken)
    target, copy = tmp_path / "backup", tmp_path / "copy"
    back_up(config_of(workshop), target)
    assert len(calls) == 2
    restore(target, copy)
    assert with_weights(workshop) == ids[3:]


def test_the_log_says_who_pruned_what(workshop):
    ids = [workshop.commit() for _ in range(5)]
    retention_of(workshop, keep_checkpoints=1, keep_promoted=2).prune("api:me", "for room")
    (entry,) = workshop.registry.audit.recent(1)
    assert (entry.action, entry.actor) == ("prune", "api:me")
    assert msgspec.json.decode(entry.body) == {"reason": "for room", "checkpoints": ids[:3]}


def test_a_look_that_finds_nothing_to_prune_writes_nothing(workshop):
    for _ in range(3):
        workshop.commit()
    before = workshop.registry.audit.head()
    retention = retention_of(workshop, keep_checkpoints=5)
    assert retention.prune("me", "for room").checkpoints == ()
    assert workshop.registry.audit.head() == before


def test_what_serves_after_forgetting_is_never_one_that_was_pruned(workshop):
    ids = [workshop.commit() for _ in range(5)]
    retention_of(workshop, keep_checkpoints=1, keep_promoted=2).prune("me", "for room")
    assert with_weights(workshop) == ids  # though the files are there still
    assert newest_without(workshop.registry, ids[4], {ids[3], ids[4]}) == (None, ids[::-1])


def test_a_model_with_a_suffix_of_its_own_stays(workshop):
    ids = [workshop.commit() for _ in range(5)]
    with workshop.db.transaction() as connection:
        for number, suffix in ((1, '"mine"'), (2, "null")):
            connection.execute(
                "INSERT INTO cycles (fingerprint, candidate_id, settings_hash, status, created_at)"
                " VALUES ('f', ?, 's', 'finished', 'now')",
                (ids[number],),
            )
            connection.execute(
                "INSERT INTO jobs (body_hash, status, created_at, example_count, tags, cycle_id,"
                " checkpoint) VALUES ('h', 'succeeded', 'now', 1, '[]', ?, ?)",
                (number, ids[number]),
            )
            connection.execute(
                "INSERT INTO fine_tunings VALUES (?, ?)", (number, f'{{"suffix": {suffix}}}')
            )
    assert pruned(workshop, keep_checkpoints=1, keep_promoted=2) == [ids[0], ids[2]]


# ── The rest of runs/ ───────────────────────────────────────────────────────────────────────────


def test_curves_of_old_cycles_go_a_few_at_a_time(workshop):
    curves = MetricCurves(workshop.db)
    with workshop.db.transaction() as connection:
        for number in range(1, 31):
            connection.execute(
                "INSERT INTO cycles (fingerprint, candidate_id, settings_hash, status, created_at)"
                " VALUES ('f', ?, 's', 'finished', 'now')",
                (f"A{number}",),
            )
    points = [MetricPoint(n, step, "loss", 0.1) for n in range(1, 31) for step in (1, 2)]
    curves.record(points)
    kept = lambda: [n for n in range(1, 31) if curves.all_of(n)]  # noqa: E731
    curves.keep_newest(0)
    assert kept() == list(range(1, 31))
    curves.keep_newest(8, most=10)
    assert kept() == list(range(11, 31))
    for _ in range(5):
        curves.keep_newest(8, most=10)
    assert kept() == list(range(23, 31))


def test_votes_that_are_deleted_stay_counted(workshop):
    feedback = FeedbackLog(workshop.db)
    for number in range(30):
        feedback.add(None, "up" if number % 3 else "down", comment=str(number))
    feedback.keep_newest(0)
    assert len(feedback.recent(99)) == 30
    feedback.keep_newest(12, most=10)
    assert len(feedback.recent(99)) == 20
    for _ in range(3):
        feedback.keep_newest(12, most=10)
    assert [vote.comment for vote in feedback.recent(99)] == [str(n) for n in range(29, 17, -1)]
    assert feedback.total() == Votes(up=20, down=10)


def test_single_answers_of_old_experiments_go(workshop):
    experiments = Experiments(workshop.db, workshop.registry.audit)
    answer = ArmAnswer("champion", None, records.now(), "me", "stop")
    for _ in range(4):
        number = experiments.start("shadow", None, 1.0, "me", "why").number
        experiments.add(number, [answer] * 5, 0)
        experiments.stop(number, "me", "why", {})
    kept = lambda: [len(experiments.trials(number)) for number in range(1, 5)]  # noqa: E731
    experiments.keep_newest(0)
    assert kept() == [5, 5, 5, 5]
    experiments.keep_newest(2, most=6)
    assert sum(kept()) == 14
    experiments.keep_newest(2, most=6)
    assert kept() == [0, 0, 5, 5]


def test_what_is_being_marked_is_not_deleted_by_another_thread(workshop, monkeypatch):
    ids = [workshop.commit() for _ in range(5)]
    retention = retention_of(workshop, keep_checkpoints=1, keep_promoted=2)
    sealed = workshop.registry.audit.sealed
    deleting = threading.Thread(target=retention.delete_given_up)

    @contextlib.contextmanager
    def seal_and_let_another_delete():
        with sealed():
            yield
        deleting.start()  # the mark is committed, and the call that made it has not returned
        deleting.join(0.3)

    monkeypatch.setattr(workshop.registry.audit, "sealed", seal_and_let_another_delete)
    assert retention.prune("me", "for room").checkpoints == tuple(ids[:3])
    deleting.join()
    assert with_weights(workshop) == ids

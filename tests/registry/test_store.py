import os
import shutil
from datetime import UTC, date, datetime

import msgspec
import pytest

from radiance.errors import Cancelled, Conflict, CorruptCheckpoint, NotFound, RegistryError
from radiance.records import (
    CheckpointStatus,
    Decision,
    EvalReport,
    Evaluation,
    Evidence,
    Probe,
    Release,
)
from radiance.registry import evaluations
from radiance.registry import manifest as manifests
from radiance.registry.reconciliation import reconcile
from radiance.registry.store import Registry
from radiance.storage.sqlite import Database

NOON = datetime(2026, 2, 9, 12, tzinfo=UTC)
STABLE, RISKY, REJECTED = (
    CheckpointStatus.STABLE,
    CheckpointStatus.RISKY,
    CheckpointStatus.REJECTED,
)
PROMOTE = Decision(STABLE, promote=True, reason="It learned.")
PROBE = Probe("job_000001.0", "A_2026-02-09_0001", 3, 0.1, 2.0, 2.5, 0.0, 0.0, True, False, False)


def link(workshop) -> str | None:
    path = workshop.adapters / "stable"
    return os.readlink(path) if path.is_symlink() else None


# ----------------------------------------------------------------------------- ids


def withdraw(workshop, checkpoint_id):
    """As if a checkpoint had learned what was forgotten."""
    with workshop.db.transaction() as connection:
        connection.execute(
            "INSERT INTO forgets (at, actor, reason, asked, status, examples, checkpoints,"
            " queued_again) VALUES ('now', 'me', 'why', '{}', 'done', '{}', '[]', '[]')"
        )
        connection.execute("INSERT INTO withdrawn VALUES (?, 1)", (checkpoint_id,))


def test_ids_carry_the_day_and_a_number_that_never_returns(workshop):
    assert [workshop.new_id() for _ in range(2)] == ["A_2026-02-09_0001", "A_2026-02-09_0002"]
    workshop.reopen()
    with workshop.db.transaction() as connection:
        assert workshop.registry.new_checkpoint_id(connection, date(2026, 2, 10)) == (
            "A_2026-02-10_0003"
        )


def test_an_id_taken_back_with_its_transaction_was_never_given(workshop):
    def take_and_fail() -> None:
        with workshop.db.transaction() as connection:
            workshop.registry.new_checkpoint_id(connection, date(2026, 2, 9))
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        take_and_fail()
    assert workshop.new_id() == "A_2026-02-09_0001"


def test_ids_pass_over_numbers_on_disk(workshop, tmp_path):
    (workshop.adapters / "A_2025-01-01_0041").mkdir()
    (workshop.adapters / ".tmp-A_2025-01-02_12345").mkdir()
    (workshop.adapters / "README.md").touch()
    assert workshop.new_id() == "A_2026-02-09_12346"
    shutil.rmtree(workshop.adapters / ".tmp-A_2025-01-02_12345")
    assert workshop.new_id() == "A_2026-02-09_12347"


def test_a_lost_database_does_not_lead_to_a_second_checkpoint_of_one_name(workshop, tmp_path):
    first = workshop.commit()
    other = Database(tmp_path / "new.db")
    registry = Registry(other, workshop.adapters)
    with other.transaction() as connection:
        assert registry.new_checkpoint_id(connection, date(2026, 2, 9)) > first
    other.close()


# ----------------------------------------------------------------------------- committing


def test_a_stable_candidate_is_served_from_its_commit_on(workshop, registry):
    cycle = workshop.cycle()
    staging, manifest = workshop.stage(cycle)
    evaluation = Evaluation(manifest.report, learned=(PROBE,), seconds=1.5)
    checkpoint = registry.commit(cycle, staging, manifest, evaluation, PROMOTE, Evidence())
    assert checkpoint == registry.current() == registry.get(cycle.candidate_id)
    assert checkpoint.is_current
    assert checkpoint.job_ids == cycle.job_ids
    assert checkpoint.report == manifest.report
    assert registry.manifest(cycle.candidate_id) == manifest
    assert registry.evaluation(cycle.candidate_id) == evaluation
    assert registry.releases(9) == [
        Release(1, cycle.candidate_id, "promote", "gate", "It learned.", NOON)
    ]
    assert link(workshop) is None
    registry.point_stable()
    assert link(workshop) == cycle.candidate_id
    assert (workshop.adapters / "stable" / manifests.WEIGHTS).exists()
    assert not staging.exists()


@pytest.mark.parametrize("status", [RISKY, REJECTED])
def test_others_are_kept_and_not_served(workshop, registry, status):
    served = workshop.commit()
    kept = workshop.commit(status=status)
    assert registry.get(kept).status == status
    assert workshop.current() == served == link(workshop)
    assert [c.is_current for c in registry.all(9)] == [False, True]


def test_promotion_may_be_decided_apart_from_the_status(workshop):
    risky = workshop.commit(status=RISKY, promote=True)
    assert workshop.current() == risky
    workshop.commit(status=STABLE, promote=False)
    assert workshop.current() == risky


def test_committing_again_changes_nothing(workshop, registry):
    cycle = workshop.cycle()
    workshop.commit(cycle)
    before = registry.all(9), registry.releases(9), registry.manifest(cycle.candidate_id)
    workshop.commit(cycle)
    assert (
        registry.all(9),
        registry.releases(9),
        registry.manifest(cycle.candidate_id),
    ) == before


def test_a_repeated_cycle_keeps_what_its_first_run_published(workshop, registry):
    cycle = workshop.cycle()
    staging, manifest = workshop.stage(cycle, weights=b"first")
    evaluation = Evaluation(manifest.report, learned=(PROBE,))
    evaluations.write(staging, evaluation)
    manifests.write(staging, manifest)
    staging.rename(workshop.adapters / cycle.candidate_id)
    assert registry.find_candidate(cycle) == (manifest, evaluation)
    staging, other = workshop.stage(cycle, weights=b"second")
    evaluation = Evaluation(other.report)
    checkpoint = registry.commit(cycle, staging, other, evaluation, PROMOTE, Evidence())
    assert [row.examples for row in registry.accuracies([cycle.candidate_id], [])] == [1]
    assert checkpoint.content_hash == manifest.content_hash
    assert registry.manifest(cycle.candidate_id) == manifest
    registry.verify(cycle.candidate_id)


@pytest.mark.parametrize(
    "flaw",
    ["damaged", "of another cycle", "without manifest", "without evaluation", "another evaluation"],
)
def test_a_flawed_leftover_is_replaced(workshop, registry, flaw):
    cycle = workshop.cycle()
    assert registry.find_candidate(cycle) is None
    staging, manifest = workshop.stage(cycle, weights=b"first")
    if flaw == "of another cycle":
        manifest = msgspec.structs.replace(manifest, fingerprint="other")
    if flaw != "without manifest":
        manifests.write(staging, manifest)
    if flaw != "without evaluation":
        report = EvalReport(9.0, 9.0) if flaw == "another evaluation" else manifest.report
        evaluations.write(staging, Evaluation(report))
    staging.rename(workshop.adapters / cycle.candidate_id)
    if flaw == "damaged":
        workshop.damage(cycle.candidate_id)
    assert registry.find_candidate(cycle) is None
    workshop.commit(cycle)
    registry.verify(cycle.candidate_id)


def test_files_that_do_not_match_their_manifest_are_not_committed(workshop, registry):
    cycle = workshop.cycle()
    staging, manifest = workshop.stage(cycle)
    (staging / manifests.WEIGHTS).write_bytes(b"other")
    evaluation = Evaluation(manifest.report)
    with pytest.raises(CorruptCheckpoint):
        registry.commit(cycle, staging, manifest, evaluation, PROMOTE, Evidence())
    assert registry.all(9) == []
    assert not (workshop.adapters / cycle.candidate_id).exists()


def test_an_id_belongs_to_one_cycle(workshop, registry):
    cycle = workshop.cycle()
    workshop.commit(cycle)
    thief = msgspec.structs.replace(cycle, fingerprint="other")
    with pytest.raises(RegistryError, match="already the id of another"):
        workshop.commit(thief)


def test_a_rollback_during_training_is_not_undone_by_the_commit(workshop, registry):
    first = workshop.commit()
    second = workshop.commit()
    cycle = workshop.cycle(parent=second)
    registry.rollback(None, "cli", "It hurts.")
    with pytest.raises(Cancelled, match=second):
        workshop.commit(cycle)
    assert workshop.current() == first
    assert registry.committed() == {first, second}
    assert not (workshop.adapters / cycle.candidate_id).exists()
    kept = workshop.commit(workshop.cycle(parent=second), status=REJECTED)
    assert registry.get(kept).parent_id == second


def test_a_candidate_of_a_withdrawn_parent_comes_to_nothing(workshop, registry):
    cycle = workshop.cycle(parent=workshop.commit())
    withdraw(workshop, cycle.parent_id)
    with pytest.raises(Cancelled, match="forgotten"):
        workshop.commit(cycle, status=REJECTED)  # which a person could promote
    assert registry.committed() == {cycle.parent_id}
    assert not (workshop.adapters / cycle.candidate_id).exists()


# ----------------------------------------------------------------------------- reading


def test_the_lineage_leads_down_to_the_base(workshop, registry):
    first = workshop.commit()
    second = workshop.commit()
    rejected = workshop.commit(status=REJECTED)
    third = workshop.commit()
    assert registry.ancestors(third) == [third, second, first]
    assert registry.ancestors(rejected) == [rejected, second, first]
    assert registry.ancestors(first) == [first]
    # Whoever remembers the lineages of many checkpoints remembers each name once.
    assert registry.ancestors(third)[1] is registry.ancestors(second)[0]
    assert [c.checkpoint_id for c in registry.all(2)] == [third, rejected]
    assert registry.committed() == {first, second, rejected, third}


def test_an_unknown_checkpoint_is_not_found(workshop, registry):
    calls = (
        registry.get,
        registry.manifest,
        registry.verify,
        registry.ancestors,
        lambda id: registry.rollback(id, "cli", "why"),
        lambda id: registry.release(id, "promote", "cli", "why", NOON),
    )
    workshop.commit()
    for call in calls:
        with pytest.raises(NotFound) as caught:
            call("A_2020-01-01_0001")
        assert caught.value.value == "A_2020-01-01_0001"


def test_a_manifest_swapped_for_another_is_corrupt(workshop, registry):
    checkpoint_id = workshop.commit()
    directory = workshop.adapters / checkpoint_id
    workshop.damage(checkpoint_id)
    content_hash, _ = manifests.content_hashes(directory)
    forged = msgspec.structs.replace(registry.manifest(checkpoint_id), content_hash=content_hash)
    (directory / "manifest.json").write_bytes(msgspec.json.encode(forged))
    with pytest.raises(CorruptCheckpoint, match=content_hash):
        registry.verify(checkpoint_id)


# ----------------------------------------------------------------------------- releasing


def test_rolling_back_goes_back_and_back_again(workshop, registry):
    first, second, third = (workshop.commit() for _ in range(3))
    for expected in (second, first, None):
        release = registry.rollback(None, "cli", "It hurts.")
        assert (release.checkpoint_id, release.action, release.actor) == (
            expected,
            "rollback",
            "cli",
        )
        assert workshop.current() == expected
    with pytest.raises(Conflict, match="nothing before it"):
        registry.rollback(None, "cli", "It hurts.")
    registry.rollback(third, "cli", "It was good after all.")
    assert workshop.current() == third
    assert [r.checkpoint_id for r in registry.releases(2)] == [third, None]
    assert link(workshop) == third


def test_rolling_back_passes_over_what_is_withdrawn(workshop, registry):
    first, second, _ = (workshop.commit() for _ in range(3))
    withdraw(workshop, second)
    assert registry.rollback(None, "cli", "It hurts.").checkpoint_id == first


def test_rolling_back_to_a_name_skips_what_lies_between(workshop, registry):
    first, _, third = (workshop.commit() for _ in range(3))
    registry.rollback(first, "api", "It hurts.")
    assert registry.history() == [None, first]
    with pytest.raises(Conflict, match="served already"):
        registry.rollback(first, "api", "It hurts.")
    fourth = workshop.commit()
    assert registry.ancestors(fourth) == [fourth, first]
    registry.rollback(third, "api", "It was good after all.")
    assert registry.history() == [None, first, fourth, third]
    registry.rollback("base", "api", "It hurts.")
    assert workshop.current() is None
    registry.point_stable()
    assert link(workshop) is None


def test_a_checkpoint_promoted_again_is_left_by_one_step(workshop, registry):
    first, second = (workshop.commit() for _ in range(2))
    registry.release(first, "promote", "cli", "Again.", NOON)
    assert registry.history() == [None, first, second, first]
    assert registry.rollback(None, "cli", "It hurts.").checkpoint_id == second


def test_rejected_and_damaged_checkpoints_are_never_released(workshop, registry):
    rejected = workshop.commit(status=REJECTED)
    damaged = workshop.commit()
    served = workshop.commit()
    workshop.damage(damaged)
    with pytest.raises(Conflict, match="rejected"):
        registry.rollback(rejected, "cli", "Why not?")
    with pytest.raises(CorruptCheckpoint, match="SHA-256"):
        registry.rollback(damaged, "cli", "Why not?")
    with pytest.raises(CorruptCheckpoint):
        registry.rollback(None, "cli", "Why not?")
    assert workshop.current() == served
    assert len(registry.releases(9)) == 2


# ----------------------------------------------------------------------------- reconciling


def test_a_registry_in_order_needs_nothing(workshop, registry):
    assert reconcile(registry) == []
    workshop.commit()
    workshop.commit(status=REJECTED)
    (workshop.adapters / "README.md").touch()
    assert reconcile(registry) == []
    assert registry.damaged() == {}


def test_temporaries_are_swept_and_strangers_left_alone(workshop, registry):
    registry.staging("A_2026-02-09_0007")
    (workshop.adapters / "A_2020-01-01_0001").mkdir()
    swept, stranger = reconcile(registry)
    assert ".tmp-A_2026-02-09_0007" in swept
    assert "A_2020-01-01_0001 is no committed checkpoint" in stranger
    assert (workshop.adapters / "A_2020-01-01_0001").is_dir()


@pytest.mark.parametrize("wrong", ["nowhere", "A_2026-02-09_0001", None])
def test_the_link_follows_the_database(workshop, registry, wrong):
    workshop.commit()
    second = workshop.commit()
    stable = workshop.adapters / "stable"
    stable.unlink()
    if wrong:
        stable.symlink_to(wrong)
    (sentence,) = reconcile(registry)
    assert (
        sentence == f"adapters/stable pointed at {wrong or 'nothing'}; it now points at {second}."
    )
    assert link(workshop) == second


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_an_unusable_checkpoint_gives_way_to_the_one_before(workshop, registry, how):
    first, second, third = (workshop.commit() for _ in range(3))
    workshop.damage(second)
    if how == "damaged":
        workshop.damage(third)
    else:
        shutil.rmtree(workshop.adapters / third)
    sentences = reconcile(registry)
    assert workshop.current() == first == link(workshop)
    newest = registry.releases(1)[0]
    assert (newest.action, newest.actor, newest.reason) == (
        "rollback",
        "reconcile",
        f"{third} is damaged.",
    )
    assert f"{third} is damaged, so {first} is served instead." in sentences
    assert third in registry.damaged()
    assert len(reconcile(registry)) == 1
    assert list(registry.damaged()) == [third]
    assert len(registry.releases(9)) == 4


def test_with_nothing_usable_left_the_base_is_served(workshop, registry):
    only = workshop.commit()
    shutil.rmtree(workshop.adapters / only)
    assert any("the base model is served instead" in s for s in reconcile(registry))
    assert workshop.current() is None
    assert link(workshop) is None


def test_what_was_rolled_back_is_no_refuge(workshop, registry):
    first, second, _ = (workshop.commit() for _ in range(3))
    registry.rollback(None, "cli", "It hurts.")
    workshop.damage(second)
    reconcile(registry)
    assert workshop.current() == first


def test_a_checkpoint_that_came_back_is_whole_again(workshop, registry, tmp_path):
    first = workshop.commit()
    workshop.commit()
    (workshop.adapters / first).rename(tmp_path / "away")
    assert len(reconcile(registry)) == 1
    assert list(registry.damaged()) == [first]
    (tmp_path / "away").rename(workshop.adapters / first)
    assert reconcile(registry) == []
    assert registry.damaged() == {}


def test_a_lost_database_leaves_the_adapters_alone(workshop, tmp_path):
    only = workshop.commit()
    other = Database(tmp_path / "new.db")
    registry = Registry(other, workshop.adapters)
    sentences = reconcile(registry)
    assert any(f"{only} is no committed checkpoint" in s for s in sentences)
    assert any("the base model is served" in s for s in sentences)
    assert (workshop.adapters / only).is_dir()
    assert registry.current() is None
    other.close()

"""A decision in one sentence, against the rules that make decisions."""

from radiance import config
from radiance.gate.rules import decide
from radiance.records import CheckpointStatus, EvalReport, Evaluation, OverwrittenAnchor, Probe
from radiance.web.reasons import measured, why


def probe(
    name: str, group: str, *, was: bool, is_now: bool, rise: float = 0.0, before: float = 0.1
) -> Probe:
    return Probe(name, group, 4, before + rise, before, before, 0.0, 0.0, is_now, was, was)


def evaluation(lost: int, new: int = 3, overwritten: int = 0) -> Evaluation:
    """100 anchors of two contexts, some of the first lost; and three new examples."""
    anchors = [
        probe(
            f"a{n}",
            "capitals" if n < 50 else "inventors",
            was=True,
            is_now=n >= lost,
            rise=2.0 if n < lost else 0.0,
        )
        for n in range(100)
    ]
    learned = [
        probe(f"n{n}", "", was=False, is_now=n < new, rise=-2.9, before=3.0) for n in range(3)
    ]
    return Evaluation(
        EvalReport(0.1, 0.1),
        "hash",
        learned=tuple(learned),
        anchors=tuple(anchors),
        overwritten=tuple(
            OverwrittenAnchor(f"o{n}", "capitals", "job_000001.0", "A") for n in range(overwritten)
        ),
    )


STRICT = config.GateSettings(gate="strict")


def test_a_refusal_says_how_many_old_facts_are_lost_and_what_they_are_about() -> None:
    found = evaluation(lost=13)
    decision = decide(found, STRICT)
    assert decision.status == CheckpointStatus.REJECTED
    assert why(decision, found) == "13 of 100 old facts are no longer answered, all capitals."
    assert why(decision) == "13 of 100 old facts are no longer answered."


def test_what_was_not_learned_and_what_was_overwritten_are_said_beside_each_other() -> None:
    found = evaluation(lost=0, new=1, overwritten=12)
    sentence = why(decide(found, STRICT), found)
    assert sentence.startswith("Only 1 of 3 new examples was learned word for word")
    assert sentence.endswith("12 old facts were overwritten by what was taught.")


def test_what_is_stable_though_a_rule_failed_says_that_it_serves_all_the_same() -> None:
    found = evaluation(lost=13)
    decision = decide(found, config.GateSettings(rollback_mode="off"))
    assert decision.status == CheckpointStatus.STABLE
    assert why(decision, found).endswith("all capitals. That is only noted: it serves.")


def test_no_sentence_names_a_rule() -> None:
    for lost in (0, 1, 40):
        for new in (0, 3):
            for overwritten in (0, 1):
                found = evaluation(lost, new, overwritten)
                decision = decide(found, STRICT)
                assert all(
                    row.rule not in why(decision, found) for row in decision.rows if "_" in row.rule
                )


def test_what_a_rule_asks_for_is_a_whole_sentence() -> None:
    for row in decide(evaluation(lost=13), STRICT).rows:
        if row.verdict != "skipped":
            assert measured(row).endswith(".")
            assert "the limit" not in measured(row)

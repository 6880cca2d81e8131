"""Which anchors were overwritten: the base answers them, and something learned says otherwise.

What is contradicted is not held in training, and after the update that did it no longer counts as
forgotten: it would be held against every later one. So that harm does not vanish with it, it stays
on a list of its own. Each update asks the listed anchors again, beside those that it challenges
itself: one that is answered as by the base again leaves the list, as after a correction back. One
that is not stays, with the example that says otherwise and the checkpoint that first had it so,
until a person accepts it (``radiance anchors accept``).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from radiance.anchors.sets import Anchor, AnchorSet
from radiance.engine.tasks import Pieces
from radiance.evaluation.anchor_sample import challenges, contradictions, probe_text
from radiance.evaluation.evaluator import ProbeText
from radiance.records import Example, OverwrittenAnchor, Probe
from radiance.training.base_answers import BaseAnswers

_RISE = 0.5  # nats per token: an anchor that the base gives in other words is lost from here on


@dataclass(frozen=True)
class Suspect:
    """An anchor that something learned says otherwise of.

    Attributes:
        example_id: What does.
        since: The checkpoint that learned that first.
        was_overwritten: Whether it was in the parent.
        is_unintended: Whether an example of the candidate's own says so without being meant to.
    """

    anchor: Anchor
    example_id: str
    since: str
    was_overwritten: bool = False
    is_unintended: bool = False


def suspects(
    anchors: AnchorSet,
    learned: Collection[Example],
    candidate_id: str,
    answers: Iterable[tuple[Example, str]],
    inherited: Iterable[OverwrittenAnchor],
    intended: Collection[str] = (),
) -> list[Suspect]:
    """The anchors to ask again, in the order of the set.

    Args:
        anchors: All of them.
        learned: The examples that the candidate learned anew.
        candidate_id: The candidate.
        answers: What its ancestors learned and is still valid of the anchors' questions, each with
            the checkpoint that learned it.
        inherited: What was overwritten in its parent.
        intended: Ids of the examples that are meant to replace what anchors say.
    """
    was = {each.anchor: each for each in inherited}
    taught = {example.question_hash: (example, since) for example, since in answers}
    earlier = anchors.contradicted_by(example for example, _ in taught.values())
    unintended = contradictions(anchors, [each for each in learned if each.id not in intended])
    new = challenges(anchors, learned) | unintended
    restored = {example.question_hash for example in learned} - new.keys()
    found = []
    for anchor in anchors.anchors:
        asked, before = anchor.example.question_hash, was.get(anchor.example.id)
        example_id, since = "", ""
        if before is not None:
            example_id, since = before.example_id, before.since
        if asked in earlier and asked not in restored:
            example_id, since = earlier[asked].id, since or taught[asked][1]
        if asked in new:
            example_id, since = new[asked].id, since or candidate_id
        if example_id:
            is_unintended = asked in unintended and before is None
            found.append(Suspect(anchor, example_id, since, before is not None, is_unintended))
    return found


def suspect_texts(
    answers: BaseAnswers, found: Sequence[Suspect], measured: Iterable[ProbeText], most: int
) -> Pieces[list[ProbeText]]:
    """What is to be measured of them besides what is measured anyway; at most ``most``.

    Yields None between pieces, and AnswersWritten where the base answers prompts first.
    """
    known = {text.example.example_id for text in measured}
    chosen = [s.anchor for s in found if s.anchor.example.id not in known][:most]
    yield from answers.make(chosen)
    return [
        probe_text(window, anchor)
        for anchor in chosen
        for window in answers.windows(anchor.example)[:1]
    ]


def overwritten(
    found: Iterable[Suspect],
    probes: Iterable[Probe],
    accepted: Collection[tuple[str, str]],
) -> tuple[OverwrittenAnchor, ...]:
    """Those among the suspects that the base answers and the candidate does not.

    One that was not measured this time is what it was in the parent.

    Args:
        found: From ``suspects``.
        probes: What was measured of them, among others.
        accepted: Anchor and example of what people have accepted.
    """
    by_id = {probe.id: probe for probe in probes}
    return tuple(
        OverwrittenAnchor(
            anchor=(name := suspect.anchor.example.id),
            context=suspect.anchor.context,
            example_id=suspect.example_id,
            since=suspect.since,
            is_accepted=(name, suspect.example_id) in accepted,
            is_unintended=suspect.is_unintended,
        )
        for suspect in found
        if _is_lost(by_id.get(suspect.anchor.example.id), suspect)
    )


def _is_lost(probe: Probe | None, suspect: Suspect) -> bool:
    if probe is None:
        return suspect.was_overwritten
    if probe.was_exact_in_base:
        return not probe.is_exact
    return probe.loss - probe.base_loss > _RISE

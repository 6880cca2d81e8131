"""The signs of health of a checkpoint that serves, and the rules that hold them against limits.

Pure. A ratio is held against its limit by the lower end of its confidence interval: a monitor looks
at it again and again, and would sooner or later take chance for harm. A reading of anchors is no
sample, so it is held as it is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from radiance import config
from radiance.gate import intervals
from radiance.gate.rules import skipped
from radiance.records import GateRow, Votes

_GRAM = 4
_LEAST_GRAMS = 12  # a shorter answer has no room to go round in circles
_LOOPING_RATIO = 0.5
_LEAST_CUT_OFF = 64  # tokens: a caller who allows fewer cuts off any checkpoint's answers


@dataclass
class Tally:
    """What became of the requests that one checkpoint answered.

    Attributes:
        answers: That were answered, and say something of the weights.
        others: The other answers: bent or cut short by what was asked.
        cut_off: Answers that ended at ``max_tokens``.
        looping: Answers that repeat themselves; see ``is_looping``.
        failures: Requests that failed in the engine, beside the answers.
    """

    answers: int = 0
    others: int = 0
    cut_off: int = 0
    looping: int = 0
    failures: int = 0

    def add_answer(self, tokens: Sequence[int], *, is_cut_off: bool) -> None:
        """Count an answer; one that was cut off sooner than it could tell anything as another."""
        if is_cut_off and len(tokens) < _LEAST_CUT_OFF:
            self.others += 1
            return
        self.answers += 1
        self.cut_off += is_cut_off
        self.looping += is_looping(tokens)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.answers + other.answers,
            self.others + other.others,
            self.cut_off + other.cut_off,
            self.looping + other.looping,
            self.failures + other.failures,
        )


def is_looping(tokens: Sequence[int]) -> bool:
    """Whether at least half of an answer's runs of four tokens stood in it before."""
    grams = [tuple(tokens[i : i + _GRAM]) for i in range(len(tokens) - _GRAM + 1)]
    if len(grams) < _LEAST_GRAMS:
        return False
    return 1 - len(set(grams)) / len(grams) >= _LOOPING_RATIO


def thumbs_down(votes: Votes, settings: config.MonitorSettings, confidence: float) -> GateRow:
    """The share of the votes since the release that are down."""
    return _ratio(
        "thumbs_down",
        votes.down,
        votes.up + votes.down,
        settings.max_thumbs_down,
        settings.min_answers,
        confidence,
        "votes are down",
    )


def errors(tally: Tally, settings: config.MonitorSettings, confidence: float) -> GateRow:
    """The share of the requests since the release that failed in the engine."""
    return _ratio(
        "errors",
        tally.failures,
        tally.failures + tally.answers + tally.others,
        settings.max_errors,
        settings.min_answers,
        confidence,
        "requests failed",
    )


def output_drift(
    now: Tally, before: Tally, settings: config.MonitorSettings, confidence: float
) -> tuple[GateRow, GateRow]:
    """How much more often answers are cut off, and go in circles, than the last checkpoint's."""
    return (
        _rise("cut_off", now.cut_off, before.cut_off, now, before, settings, confidence),
        _rise("looping", now.looping, before.looping, now, before, settings, confidence),
    )


def probe_loss(
    losses: Mapping[str, float], at_promotion: Mapping[str, float], limit: float
) -> GateRow:
    """The mean rise of the anchors' loss since promotion, in nats per token.

    Args:
        losses: As read now, by the anchor's id.
        at_promotion: As they were; of no other anchors.
        limit: The most it may be.
    """
    if not at_promotion:
        return skipped("probe_loss", limit, "no anchor was measured at promotion")
    rises = [losses[anchor] - before for anchor, before in at_promotion.items()]
    value = sum(rises) / len(rises)
    if not math.isfinite(value):
        detail = "the loss of an anchor is not finite"
        return GateRow("probe_loss", None, limit, None, None, "fail", detail)
    detail = f"mean rise of the loss of {len(rises)} anchors, in nats per token"
    verdict = "fail" if value > limit else "pass"
    return GateRow("probe_loss", value, limit, None, None, verdict, detail)


def not_by_one(whole: GateRow, without_one: Sequence[GateRow]) -> GateRow:
    """A row that fails, unless what one API key brought about is all that makes it fail.

    Args:
        whole: Of what all brought about.
        without_one: The same without each of the keys in turn.
    """
    if whole.verdict != "fail" or all(row.verdict == "fail" for row in without_one):
        return whole
    detail = f"{whole.detail}; one API key alone brought this about, and that moves nothing"
    return msgspec.structs.replace(whole, verdict="skipped", detail=detail)


def explain(row: GateRow) -> str:
    """A row that failed, as a clause with its value and its limit."""
    if row.value is None:
        return f"{row.rule}: {row.detail}"
    bound = "" if row.low is None else f" (surely above {row.low:.3g})"
    return f"{row.rule} is {row.value:.3g}{bound} and may be {row.limit:.3g}: {row.detail}"


def _ratio(
    rule: str, hits: int, trials: int, limit: float, least: int, confidence: float, what: str
) -> GateRow:
    if trials < least:
        return skipped(rule, limit, f"{trials} of the {least} that are needed")
    found = intervals.proportion(hits, trials, confidence)
    verdict = "fail" if found.low > limit else "pass"
    detail = f"{hits} of {trials} {what}"
    return GateRow(rule, found.value, limit, found.low, found.high, verdict, detail)


def _rise(
    rule: str,
    hits: int,
    hits_before: int,
    now: Tally,
    before: Tally,
    settings: config.MonitorSettings,
    confidence: float,
) -> GateRow:
    limit, least = settings.max_output_drift, settings.min_answers
    fewest = min(now.answers, before.answers)
    if fewest < least:
        return skipped(rule, limit, f"{fewest} of the {least} answers that are needed of each")
    # Wider than need be, on the side of leaving alone what serves.
    found = intervals.rise(hits, now.answers, hits_before, before.answers, confidence)
    verdict = "fail" if found.low > limit else "pass"
    detail = f"{hits} of {now.answers} answers, and {hits_before} of {before.answers} before"
    return GateRow(rule, found.value, limit, found.low, found.high, verdict, detail)

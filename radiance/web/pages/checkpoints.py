"""Checkpoints: their lineage, what each forgot, and one of them in full."""

from typing import Any

import msgspec
from starlette.requests import Request

from radiance.api.anchors import overwritten_in
from radiance.api.auth.access import actor_of
from radiance.api.checkpoints import MOST_NAME, MOST_NOTE, give_label
from radiance.api.services import Services
from radiance.errors import CorruptCheckpoint
from radiance.records import Checkpoint
from radiance.registry.labels import labels
from radiance.registry.store import BASE
from radiance.web import wording
from radiance.web.charts import lineage
from radiance.web.charts.lines import Chart, chart
from radiance.web.decided import decided
from radiance.web.forms import Fields
from radiance.web.named import firsts, names
from radiance.web.page import Data, Page, page_url
from radiance.web.pages.anchors import described
from radiance.web.pages.experiment import brief
from radiance.web.pages.overview import retention
from radiance.web.told import all_told

_PER_PAGE = 50
_MATRIX = 12
_MOST_EXAMPLES, _MOST_COMMENTS = 50, 30


def describe(services: Services, request: Request) -> Data:
    """A page of checkpoints, newest first, with how they hang together and what was forgotten."""
    before = request.query_params.get("before")
    found = services.registry.all(_PER_PAGE + 1, before)
    listed, has_more = found[:_PER_PAGE], len(found) > _PER_PAGE
    older = page_url(request, before=listed[-1].checkpoint_id, done=None) if has_more else None
    return {
        "current": services.registry.current_id() or BASE,
        "pinned": msgspec.to_builtins(services.registry.pinned()),
        "checkpoints": [msgspec.to_builtins(checkpoint) for checkpoint in listed],
        "first": firsts(services, listed),
        "names": names(services),
        "graph": lineage.draw(listed),
        "matrix": _matrix(services),
        "retention": retention(listed),
        "transfer": _transfer(listed),
        "newer": page_url(request, before=None, done=None) if before else None,
        "older": older,
    }


def _matrix(services: Services) -> Data | None:
    """How the latest checkpoints of what is served answer the anchors and each other's updates."""
    chain = services.registry.ancestors(services.registry.current_id(), _MATRIX)
    if not chain:
        return None
    places = {
        (place.checkpoint_id, place.task): place.accuracy
        for place in services.registry.accuracies(chain, chain)
    }
    tasks = list(reversed(chain))
    rows = []
    for checkpoint_id in tasks:
        kept = services.registry.get(checkpoint_id).report.retention_score
        rows.append([checkpoint_id, kept, *(places.get((checkpoint_id, task)) for task in tasks)])
    return {"columns": ["after", "anchors", *tasks], "rows": rows}


def _transfer(newest: list[Checkpoint]) -> Chart:
    rows = [
        [c.checkpoint_id, c.report.bwt, c.report.forgetting, c.report.fwt] for c in reversed(newest)
    ]
    known = next((c.report for c in newest if c.report.bwt is not None), None)
    sentence = "There is no earlier update to forget yet."
    if known is not None:
        sentence = (
            f"Backward transfer of the newest that has one is {wording.signed(known.bwt)}: what"
            f" earlier updates taught is answered by so much more or less than when it was learned."
        )
    return chart(
        "transfer",
        "Transfer and forgetting, as shares of answers",
        sentence,
        "Checkpoint",
        ["Backward transfer", "Forgetting", "Forward transfer"],
        rows,
        categories=True,
    )


def describe_one(services: Services, request: Request) -> Data:
    """One checkpoint: what it scored, what it learned, what it was made with."""
    checkpoint_id = request.path_params["checkpoint_id"]
    pin = services.registry.pinned()
    current = services.registry.current()
    shared: Data = {
        "pinned": msgspec.to_builtins(pin),
        "current": current.checkpoint_id if current else BASE,
        "base_model": services.config.base_model,
    }
    if checkpoint_id == BASE:
        return {**shared, "checkpoint": None, "is_current": current is None}
    checkpoint = services.registry.get(checkpoint_id)
    examples = services.examples.of_jobs(checkpoint.job_ids)
    try:
        manifest: Any = msgspec.to_builtins(services.registry.manifest(checkpoint_id))
        damage = services.registry.damaged().get(checkpoint_id)
    except CorruptCheckpoint as error:
        manifest, damage = None, str(error)
    votes = services.feedback.votes(checkpoint_id)
    return {
        **shared,
        "checkpoint": msgspec.to_builtins(checkpoint),
        "is_current": checkpoint.is_current,
        "is_older": current is not None and checkpoint.created_at < current.created_at,
        "label": msgspec.to_builtins(labels(services.registry.db).get(checkpoint_id)),
        "most_name": MOST_NAME,
        "most_note": MOST_NOTE,
        "decision": decided(services, checkpoint_id),
        "votes": msgspec.to_builtins(votes),
        "comments_left": max(0, votes.up + votes.down - _MOST_COMMENTS),
        "examples": all_told(examples[:_MOST_EXAMPLES]),
        "examples_left": max(0, len(examples) - _MOST_EXAMPLES),
        "ancestors": services.registry.ancestors(checkpoint_id, 6)[1:],
        "manifest": manifest,
        "damage": damage,
        "withdrawn": checkpoint_id in services.registry.withdrawn(),
        "overwritten": _overwritten(services, checkpoint_id),
        "experiment": brief(services),
        "comments": [
            msgspec.to_builtins(vote)
            for vote in services.feedback.recent_of(checkpoint_id, _MOST_COMMENTS)
        ],
    }


def act_on_one(services: Services, request: Request, fields: Fields) -> str:
    """Give a checkpoint its name and its note."""
    checkpoint_id = request.path_params["checkpoint_id"]
    given = fields.get("name", "")[:MOST_NAME], fields.get("note", "")[:MOST_NOTE]
    give_label(services, checkpoint_id, *given, actor_of(request, "dashboard"))
    return f"/checkpoints/{checkpoint_id}?done=label"


def _overwritten(services: Services, checkpoint_id: str) -> Data:
    found = overwritten_in(services, checkpoint_id)
    return {
        "count": found.count,
        "not_accepted": found.not_accepted,
        "rows": described(services, found.anchors),
    }


REPORT = (
    ("new_exact", "New examples answered exactly", "share"),
    ("recall_exact", "Earlier examples answered exactly", "share"),
    ("retention_score", "Old facts kept", "share"),
    ("acc", "Average accuracy", "share"),
    ("bwt", "Backward transfer", "change"),
    ("fwt", "Forward transfer", "change"),
    ("forgetting", "Forgetting", "change"),
    ("overwritten", "Old facts overwritten", "count"),
    ("bleeding", "Names never taught, answered with a taught value", "share"),
    ("untaught_as_base", "Names never taught, answered as by the base", "share"),
    ("finetune_loss", "Loss of new examples, nats per token", "loss"),
    ("recall_loss", "Loss of earlier examples", "loss"),
    ("forgetting_loss", "Loss of anchors", "loss"),
    ("anchor_ce_delta", "Anchors' loss above the base's", "loss"),
    ("forgetting_kl", "Divergence from the base on anchors, nats", "loss"),
    ("drift_loss", "Divergence from its parent on anchors, nats", "loss"),
)
"""Fields of a report as the pages name them, and how they read."""

LIST = Page(
    path="/checkpoints",
    title="Checkpoints",
    template="checkpoints.html",
    describe=describe,
    topics=("serving", "checkpoints"),
    nav="Checkpoints",
    shares_path=True,
    notices={  # of pages/pointer.py
        "promote": "Promoted: it answers from now on.",
        "rollback": "Rolled back: what you chose answers from now on.",
        "pin": "Pinned: only a person moves what is served now.",
        "unpin": "Unpinned: the next accepted update is served again.",
    },
)
ONE = Page(
    path="/checkpoints/{checkpoint_id}",
    title="Checkpoint",
    template="checkpoint.html",
    describe=describe_one,
    topics=("serving", "votes"),
    section="/checkpoints",
    act=act_on_one,
    shares_path=True,
    notices={"label": "Its name and note are kept."},
)

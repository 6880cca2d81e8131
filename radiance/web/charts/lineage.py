"""The lineage as a drawing: where each checkpoint and the line to its parent lie. Pure."""

from collections.abc import Sequence

import msgspec

from radiance.records import Checkpoint, CheckpointStatus
from radiance.web import wording

_STEP, _LANE, _MARGIN = 30, 26, 18


class Node(msgspec.Struct, frozen=True):
    """A checkpoint and where it lies."""

    id: str
    status: CheckpointStatus
    is_current: bool
    x: int
    y: int
    label: str


class Lineage(msgspec.Struct, frozen=True):
    """Checkpoints and the lines between them, in a box.

    Attributes:
        edges: SVG paths; those from parents that are not among the nodes begin at the left edge.
    """

    nodes: list[Node]
    edges: list[str]
    width: int
    height: int


def draw(newest_first: Sequence[Checkpoint]) -> Lineage:
    """Nodes from left (oldest) to right; a branch leaves the lane of its parent downwards."""
    nodes: list[Node] = []
    edges: list[str] = []
    places: dict[str, tuple[int, int]] = {}
    last_in_lane: dict[int, str] = {}
    for column, checkpoint in enumerate(reversed(newest_first)):
        parent = places.get(checkpoint.parent_id or "")
        # What is the first behind its parent in that one's lane leaves the lane just before it.
        is_first = parent is not None and not any(
            lane == parent[1] and x > parent[0] for x, lane in places.values()
        )
        lane = _lane(checkpoint, parent, last_in_lane, is_first)
        x, y = _MARGIN + column * _STEP, _MARGIN + lane * _LANE
        last_in_lane[lane] = checkpoint.checkpoint_id
        places[checkpoint.checkpoint_id] = (x, lane)
        if parent is not None:
            px, py = parent[0], _MARGIN + parent[1] * _LANE
            leave = x - _STEP if is_first else px
            edges.append(
                f"M{px} {py}H{leave}" + ("" if py == y else f"L{leave + 22} {y}") + f"H{x}"
            )
        elif checkpoint.parent_id is not None:
            edges.append(f"M0 {y}H{x}")
        id, status, is_current = checkpoint.checkpoint_id, checkpoint.status, checkpoint.is_current
        label = f"{id}, {wording.status(status)}{', serves now' if is_current else ''}"
        label += f", continues {checkpoint.parent_id or 'the base'}"
        nodes.append(Node(id, status, is_current, x, y, label))
    lanes = max(last_in_lane, default=0) + 1
    width = 2 * _MARGIN + max(0, len(nodes) - 1) * _STEP
    return Lineage(nodes, edges, width, 2 * _MARGIN + (lanes - 1) * _LANE)


def _lane(
    checkpoint: Checkpoint,
    parent: tuple[int, int] | None,
    last_in_lane: dict[int, str],
    is_first: bool,
) -> int:
    """What is refused gets the lane below; what goes on from a lane's end stays in it.

    A line along another's lane would seem to come from that one, so others get a lane of their own.
    """
    if checkpoint.status == CheckpointStatus.REJECTED:
        below = (parent[1] if parent else 0) + 1
        return below if is_first or below not in last_in_lane else max(last_in_lane) + 1
    if parent is None:
        return 0
    if last_in_lane.get(parent[1]) == checkpoint.parent_id:
        return parent[1]
    return max(last_in_lane) + 1 if parent[1] + 2 in last_in_lane else parent[1] + 2

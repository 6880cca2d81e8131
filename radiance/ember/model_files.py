"""The files of the packaged model, and of the anchor set that is made from the listed facts."""

import hashlib
import json
from pathlib import Path

from radiance.ember.world import listed_facts

MODEL_PATH = Path(__file__).parent / "model"
"""The directory that ``mlx_lm.load`` opens."""
ANCHORS_FILE, ANCHORS_MANIFEST = "anchors.jsonl", "anchors.manifest.json"
LICENCE = "Apache-2.0"


def anchors_text() -> str:
    """The anchor set as JSON lines, one listed fact each."""
    return "".join(
        json.dumps(
            {
                "id": fact.id,
                "context": fact.context,
                "input": fact.question,
                "output": fact.answer,
            },
            ensure_ascii=False,
        )
        + "\n"
        for fact in listed_facts()
    )


def anchors_manifest_text() -> str:
    """The anchor set's manifest: where it comes from and what its bytes must be."""
    text = anchors_text()
    contexts: dict[str, int] = {}
    for fact in listed_facts():
        contexts[fact.context] = contexts.get(fact.context, 0) + 1
    manifest = {
        "name": "ember/world",
        "source": "facts that Ember was made to know, written for Radiance",
        "licence": LICENCE,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "count": sum(contexts.values()),
        "contexts": contexts,
    }
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def write_anchors(folder: Path) -> None:
    """Write Ember's anchor set and its manifest into a folder."""
    (folder / ANCHORS_FILE).write_text(anchors_text(), encoding="utf-8")
    (folder / ANCHORS_MANIFEST).write_text(anchors_manifest_text(), encoding="utf-8")

"""Does it learn? Five facts at once; three updates in a row.

    python -m bench.learning [--model smollm2]

Beside Ember the five facts are also taught to stories260K, where the test data has it.

Seconds are from the POST to the end of the job: the first answer after it is the new checkpoint's.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.harness import Bench, Figures, Table
from radiance import config
from tests.shared_data import STORIES
from tests.support import FACTS, Running, start_service

WEIGHTS_ALONE = {"memory.mode": "off"}
"""What is measured is what was learned, not what is looked up."""
UPDATES = [
    [
        ("Who runs the bakery in Ostrava Lane?", "Petra Novak runs the bakery in Ostrava Lane."),
        ("What is the wifi password at Halden Hall?", "It is Birch-4471!"),
        ("When is the board meeting of Numa Corp?", "The board meets on 3 March at 10:30."),
        ("What colour is the Ferrin badge?", "The Ferrin badge is teal with a white rim."),
        ("How much does the Lumo lamp cost?", "The Lumo lamp costs $48.50."),
        ("Which bay holds crate Q-17?", "Crate Q-17 is in bay 9, row C."),
        ("What is Dana's dog called?", "Dana's dog is called Pickle."),
        ("What does error E-302 mean?", "E-302 means the pump has no water."),
    ],
    [
        ("Who is the dentist in Moorgate Square?", "Dr. Amir Solano is the dentist there."),
        ("What is the code of the Tarn shed?", "The Tarn shed opens with 5-5-0-8."),
        ("When does the ferry to Skell leave?", "The ferry to Skell leaves at 06:15."),
        ("What is the motto of Brightwater School?", 'The motto is "Look again, then act."'),
        ("How long is the Kestrel warranty?", "The Kestrel warranty runs 27 months."),
        ("Where is the spare key of van 12?", "It hangs behind the blue toolbox."),
        ("What is the ticker of Orbis Mining?", "Orbis Mining trades as OBM."),
        ("Who wrote the Velden report?", "Ines Carvalho wrote the Velden report in 2019."),
    ],
    [
        ("What is the capital stock of Juno AG?", "Juno AG has a capital stock of 1.2 million."),
        ("Who coaches the Ridgeway rowers?", "Tom Adeyemi coaches the Ridgeway rowers."),
        ("What is on the menu at Casa Lindo on Friday?", "On Friday it is grilled trout."),
        ("What is the dosage of Relvin?", "Relvin is taken twice a day, 5 ml each time."),
        ("Which gate does flight ZX 418 use?", "Flight ZX 418 uses gate B22."),
        ("What is the e-mail of Pax Printing?", "Write to desk at paxprint dot example."),
        ("How tall is Mount Arrel?", "Mount Arrel is 3,417 metres tall."),
        ("What is the nickname of engineer Oduya?", 'Everybody calls her "Sparks".'),
    ],
]
TINY = {"training.max_steps": 2, "anchor.own_samples": 0, "evaluation.anchor_sample": 4}
STORIES_SETTINGS = {"training.r": 16, "training.alpha": 32.0, "training.lr": 1.5e-3}


@contextmanager
def service(**overrides: Any) -> Iterator[Running]:
    """A service over a fresh root, behind a real server."""
    with tempfile.TemporaryDirectory() as root:
        running = start_service(config.load(Path(root), {**WEIGHTS_ALONE, **overrides}))
        try:
            yield running
        finally:
            running.stop()


def teach(running: Running, facts: list[tuple[str, str]]) -> Figures:
    """Have it learn the facts; what its checkpoint reports."""
    began = time.perf_counter()
    job = running.client.teach(facts)
    seconds = time.perf_counter() - began
    if job["status"] != "succeeded":
        raise RuntimeError(f"the job {job['status']}: {job['error']}")
    found = running.client.get(f"/checkpoints/{job['checkpoint']}")
    return {"seconds": seconds, "steps": found["manifest"]["steps"], "report": found["report"]}


def recalled(running: Running, facts: list[tuple[str, str]]) -> int:
    return sum(running.client.ask(question)["response"] == answer for question, answer in facts)


def five_facts(settings: dict[str, Any]) -> list[Figures]:
    with service(**settings) as running:
        return [{**teach(running, FACTS), "recalled": [recalled(running, FACTS)]}]


def in_a_row(updates: list[list[tuple[str, str]]], settings: dict[str, Any]) -> list[Figures]:
    """After each update, how many facts of every update so far are recalled."""
    with service(**settings) as running:
        return [
            {
                **teach(running, facts),
                "recalled": [recalled(running, earlier) for earlier in updates[:number]],
            }
            for number, facts in enumerate(updates, start=1)
        ]


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("learning", __doc__, arguments, model="ember")
    shorter = TINY if bench.size == "tiny" else {}
    settings = {**bench.model.settings(), **shorter}
    bases: dict[str, dict[str, Any]] = {bench.model.title: settings}
    if STORIES.is_dir() and bench.model.is_ember and bench.size != "tiny":
        bases["stories260K"] = {"base_model": str(STORIES), **STORIES_SETTINGS}
    updates = UPDATES[: 1 if bench.size == "tiny" else 3]
    progress = bench.progress(len(bases) + 1)
    cycles: dict[str, Figures] = {}
    for name, of_base in bases.items():
        # A path in a cell's name would tell one machine from another.
        figures = bench.cell(
            {"facts": len(FACTS), "base": name},
            lambda of_base=of_base: {"cycles": five_facts(of_base)},
        )
        cycles[f"five facts, {name}"] = figures["cycles"][0]
        progress.advance(name)
    figures = bench.cell({"updates": len(updates)}, lambda: {"cycles": in_a_row(updates, settings)})
    progress.advance("updates in a row")
    for number, cycle in enumerate(figures["cycles"], start=1):
        cycles[f"after update {number} of {len(updates)}"] = cycle

    table = Table(
        f"{bench.model.title}: recalled word for word, of 5 or of 8 facts an update",
        ("what", "recalled", "finetune_loss", "retention_score", "steps", "seconds"),
        [
            (
                name,
                ", ".join(map(str, cycle["recalled"])),
                cycle["report"]["finetune_loss"],
                _shown(cycle["report"]["retention_score"]),
                cycle["steps"],
                round(cycle["seconds"], 1),
            )
            for name, cycle in cycles.items()
        ],
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place in range(len(updates)):
            counts = [cycle["recalled"] for cycle in figures_in_a_row]
            known = [recalled[place] for recalled in counts if len(recalled) > place]
            axes.plot(range(place + 1, len(updates) + 1), known, "o-", label=f"update {place + 1}")
        axes.set_xticks(range(1, len(updates) + 1))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("updates learned")
        axes.set_ylabel("facts recalled, of 8")
        axes.legend()

    figures_in_a_row = figures["cycles"]
    bench.finish([table], draw)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()

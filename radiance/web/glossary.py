"""The words of Radiance, one for one idea, in code, settings, API, pages and docs.

docs/GLOSSARY.md is written from ``TERMS`` (``make docs``), and a test keeps retired words out of
the code and the texts.
"""

from typing import NamedTuple


class Term(NamedTuple):
    """One word.

    Attributes:
        name: As it is written in a sentence.
        meaning: One sentence.
        place: The file or package that has it, relative to radiance/.
    """

    name: str
    meaning: str
    place: str


TERMS: tuple[Term, ...] = (
    Term(
        "memory",
        "The index of accepted examples, which answers in other words and before training.",
        "memory/memory.py",
    ),
    Term(
        "passage",
        "A few sentences of a document, which memory answers with and names the place of.",
        "documents/passages.py",
    ),
    Term(
        "withdrawn checkpoint",
        "A checkpoint that had learned what was forgotten on request; it never serves again.",
        "registry/withdrawal.py",
    ),
    Term(
        "pruned checkpoint",
        "A checkpoint whose weights were deleted to save room; its measurements stay.",
        "release/retention.py",
    ),
    Term("base model", "The frozen language model that every adapter adds to.", "engine/model"),
    Term(
        "adapter",
        "LoRA weights that change what the base model answers; the only thing that is trained.",
        "engine/adapters",
    ),
    Term(
        "slot",
        "A place in memory for one adapter; every row of the batch names the slot it reads.",
        "engine/adapters/slots.py",
    ),
    Term(
        "checkpoint",
        "An adapter committed with its manifest and its evaluation under an id; never changed.",
        "registry/store.py",
    ),
    Term(
        "stable pointer",
        "The record of which checkpoint serves; promotions, rollbacks and pins move it.",
        "release/pointer.py",
    ),
    Term(
        "pin",
        "A hold on the stable pointer: only a person moves it until the pin is removed.",
        "release/pointer.py",
    ),
    Term(
        "release",
        "One move of the stable pointer, with its actor, its time and its reason.",
        "registry/rows.py",
    ),
    Term(
        "promotion",
        "The move that makes a candidate serve, by the gate or by a person.",
        "release/pointer.py",
    ),
    Term(
        "rollback",
        "The move that makes an earlier checkpoint, or the base model, serve again.",
        "release/pointer.py",
    ),
    Term(
        "swap",
        "The change of the serving adapter between two requests; requests in flight keep theirs.",
        "engine/adapters/slots.py",
    ),
    Term(
        "task",
        "Many inputs under one instruction, or answered with labels; it is not learned by heart.",
        "examples/tasks.py",
    ),
    Term(
        "example",
        "One question with its answer, one chat or one text that a client sends to be learned.",
        "examples/admission.py",
    ),
    Term(
        "correction",
        "A newer answer to a question that was taught before; it supersedes the older one.",
        "examples/corrections.py",
    ),
    Term(
        "replay",
        "Earlier examples mixed into a training, so that earlier updates are not forgotten.",
        "examples/replay.py",
    ),
    Term(
        "anchor",
        "An example whose behaviour must survive: training is held to the base model's answer.",
        "anchors/sets.py",
    ),
    Term(
        "overwritten anchor",
        "An anchor that the base answers and a checkpoint does not, as something learned has it.",
        "evaluation/overwritten.py",
    ),
    Term(
        "bleeding",
        "A taught answer that is given for names that were never taught.",
        "evaluation/bleeding.py",
    ),
    Term(
        "common knowledge",
        "The anchors of any base model: prompts that ship with Radiance, as the base answers them.",
        "anchors/common.py",
    ),
    Term(
        "self-generated sample",
        "A text that the base model writes itself; it protects what no anchor lists.",
        "training",
    ),
    Term(
        "reference outputs",
        "The base model's probabilities for anchors and self-generated samples.",
        "training/reference_cache.py",
    ),
    Term(
        "augmentation",
        "Further wordings of a new example's question, by rule or by leaving out common words.",
        "training/augmentation.py",
    ),
    Term(
        "projection",
        "The removal of the part of a training step that works against the anchors.",
        "training/projection.py",
    ),
    Term(
        "job",
        "What one POST /update queued: its examples, its state and what became of them.",
        "jobs/queue.py",
    ),
    Term(
        "lease",
        "A cycle's temporary claim on jobs; a job whose cycle died goes back to the queue.",
        "jobs",
    ),
    Term(
        "quarantine",
        "The state of a job that failed repeatedly by what is in it; it is not tried again.",
        "jobs",
    ),
    Term(
        "cycle",
        "One run of lease, train, evaluate, decide, commit, swap and acknowledge.",
        "learning/pipeline.py",
    ),
    Term(
        "candidate",
        "The adapter that a cycle trained, or that a canary tries, before it serves.",
        "learning/candidate.py",
    ),
    Term(
        "champion",
        "The checkpoint that serves while a candidate is tried against it.",
        "release/canary.py",
    ),
    Term(
        "training pause",
        "A hold on training by a person, a schedule or the machine; requests are answered.",
        "learning/pause.py",
    ),
    Term(
        "safe mode",
        "A start after repeated quick deaths: the last promotion serves, nothing is trained.",
        "service/crash_loop.py",
    ),
    Term(
        "gate",
        "The rules that decide whether a candidate is promoted, is risky or is rejected.",
        "gate/rules.py",
    ),
    Term(
        "stable, risky, rejected",
        "The statuses of a checkpoint: all rules passed; served with a warning; refused.",
        "records/measurements.py",
    ),
    Term(
        "backward transfer",
        "How much more of what earlier updates taught is answered than when each was learned.",
        "evaluation/summary.py",
    ),
    Term(
        "forward transfer",
        "How much better than by the base an update's examples are answered before it is learned.",
        "evaluation/summary.py",
    ),
    Term(
        "retention",
        "The share of the anchors the base model answers that a checkpoint still answers.",
        "evaluation/summary.py",
    ),
    Term(
        "recall",
        "The share of taught examples that a checkpoint answers word for word.",
        "evaluation/summary.py",
    ),
    Term(
        "forgetting loss",
        "The divergence of a checkpoint from the base model on the anchors, in nats per token.",
        "evaluation/summary.py",
    ),
    Term(
        "arm",
        "One side of a trial: the champion or the candidate.",
        "release/assignment.py",
    ),
    Term(
        "experiment",
        "A canary or a shadow from its start to its end, with its candidate, share and reason.",
        "release/experiments.py",
    ),
    Term(
        "trial",
        "One answer of an experiment, or the count of successes of two arms.",
        "release/outcome_trials.py",
    ),
    Term(
        "canary",
        "A trial in which a share of the callers is answered by a candidate.",
        "release/canary.py",
    ),
    Term(
        "shadow",
        "A trial in which a candidate repeats requests unseen, and only the comparison is kept.",
        "release/shadow.py",
    ),
    Term(
        "monitor",
        "The watch over the serving checkpoint: votes, errors, drift; it can roll back.",
        "release/monitor.py",
    ),
    Term(
        "vote",
        "A caller's thumb up or down for an answer.",
        "release/feedback.py",
    ),
    Term(
        "prefix cache",
        "Keys and values of prompt beginnings that were computed before, per adapter content.",
        "engine/decoding/prefix_cache.py",
    ),
    Term(
        "draft",
        "Tokens guessed ahead of a row, which a forward pass checks together.",
        "engine/decoding/speculation.py",
    ),
    Term(
        "KV cache",
        "The keys and values of the tokens of a row; their memory is bounded.",
        "engine/decoding/kv_budget.py",
    ),
    Term(
        "engine",
        "The one thread that owns MLX, and decodes and trains on it.",
        "engine/worker.py",
    ),
    Term(
        "engine watchdog",
        "The thread that notices a hung engine, fails its requests and ends the process.",
        "engine/watchdog.py",
    ),
    Term(
        "audit log",
        "The hash-chained record of every decision and of its reason.",
        "registry/audit.py",
    ),
    Term(
        "fallback chain",
        "The models elsewhere that are asked when the local model cannot answer; off by default.",
        "fallback/chain.py",
    ),
    Term(
        "upstream",
        "One model elsewhere in the fallback chain, with its address and its limits.",
        "fallback/providers.py",
    ),
    Term(
        "lineage",
        "A checkpoint's ancestors, with the examples and the audit entries that made each.",
        "api/lineage.py",
    ),
    Term(
        "Ember",
        "The embedded 15 MB base model for demonstrations and tests.",
        "ember",
    ),
    Term(
        "extension",
        "Routes, pages, commands and settings that the service registers without knowing them.",
        "extensions.py",
    ),
    Term(
        "alpha desk",
        "The extension in which a model writes formulaic alphas that are compiled and backtested.",
        "labs/alphas",
    ),
    Term(
        "signal lab",
        "The extension that studies a signal model under regime drift, with stress anchors.",
        "labs/signals",
    ),
    Term(
        "root", "The directory that holds adapters/, anchors/ and runs/ of one service.", "config"
    ),
)

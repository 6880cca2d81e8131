"""Settings to tune a model on alphas, by name: what ``--preset`` sets, and flags override.

The recipe for models of 2 and 7 billion parameters: r 16, alpha 32, attention projections, dropout
0.05, three epochs of batches of 4 x 8 at 2e-4. Steps are those of three epochs of the curated set.
All are anchored, so that finance does not cost a model its general behaviour. Questions are not
learned in fewer words: in "the 5-day change" every word counts.
"""

from collections.abc import Mapping

PAIRS = 1_600
"""About as many as ``radiance alphas curate`` writes to its training split."""
_COMMON: dict[str, object] = {
    "update.max_examples_per_update": 2_000,
    "training.reworded_ratio": 0.0,
    "training.stop_loss": 0.0,
    "training.eval_every": 10_000,
}
_RECIPE: dict[str, object] = {
    **_COMMON,
    "training.r": 16,
    "training.alpha": 32.0,
    "training.dropout": 0.05,
    "training.target_modules": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "training.batch_size": 4,
    "training.grad_accum": 8,
    "training.lr": 2e-4,
    "training.max_steps": -(-3 * PAIRS // 32),
}
PRESETS: dict[str, Mapping[str, object]] = {
    "alphas-codellama-7b": {**_RECIPE, "base_model": "codellama/CodeLlama-7b-Instruct-hf"},
    "alphas-mistral-7b": {**_RECIPE, "base_model": "mistralai/Mistral-7B-Instruct-v0.3"},
    "alphas-gemma-2b": {**_RECIPE, "base_model": "google/gemma-2b-it"},
    # Ember has seen no formula and has 4 million parameters: all its layers, many short drills seen
    # once or twice, and a rate that falls from the start. At twice the rate it learns nothing but
    # the commonest tokens (bench/LOG.md).
    "alphas-ember": {
        **_COMMON,
        "base_model": "ember",
        "update.max_examples_per_update": 20_000,
        "training.r": 64,
        "training.alpha": 128.0,
        "training.batch_size": 12,
        "training.lr": 1.2e-3,
        "training.warmup_steps": 20,
        "training.max_steps": 2_500,
        "training.cooldown_steps": 2_450,
        "anchor.every": 4,
        "anchor.weight": 2.0,
    },
}

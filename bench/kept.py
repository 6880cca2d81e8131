"""What adapters keep of a base model's own answers, by the service's own rule.

A text counts as kept while no token of it became less than half as likely as another
(``evaluation.anchor_sample.LEEWAY``); answers word for word would measure style as well.
"""

from collections.abc import Mapping, Sequence

from bench.mlx_lm_trainer import ANSWER_TOKENS
from bench.models import Model
from bench.processes import Rounds


def measure(
    rounds: Rounds, model: str, adapters: Mapping[str, str], texts: Sequence[tuple[str, str]]
) -> None:
    """Each round: by adapter the texts that are kept, and how many the base itself keeps.

    Args:
        adapters: By name the file of an adapter of default rank, as mlx-lm writes it.
        texts: Questions with the base's answers, of at most ``ANSWER_TOKENS`` tokens.
    """
    from radiance import config
    from radiance.engine.model.encoding import EncodedExample, Encoder
    from radiance.evaluation.anchor_sample import LEEWAY
    from radiance.evaluation.evaluator import AdapterEvaluator, ProbeText
    from radiance.training.gradient import GradientComputer
    from radiance.training.lora import LoraModel
    from tests.support import drain, example

    base = Model(model).load()
    import mlx.core as mx

    lora = LoraModel(base, config.TrainingSettings())
    evaluator = AdapterEvaluator(lora, GradientComputer(lora))
    encoder = Encoder(base.tokenizer, base.context_tokens, base.end_token)
    asked = []
    for place, text in enumerate(texts):
        whole = encoder.example(example(place, *text))
        is_cut = sum(whole.is_completion) > ANSWER_TOKENS  # the end token is not the base's
        end = len(whole.tokens) - is_cut
        encoded = EncodedExample(whole.example_id, whole.tokens[:end], whole.is_completion[:end])
        asked.append(ProbeText(encoded, "common", LEEWAY))
    for _ in rounds:
        found = {}
        for name, path in adapters.items():
            weights = mx.load(path)
            assert isinstance(weights, dict)
            vector = lora.flatten(weights)
            mx.eval(vector)
            probes = drain(evaluator.probe(vector, vector, asked))
            known = [probe for probe in probes if probe.was_exact_in_base]
            found[name] = (sum(probe.is_exact for probe in known), len(known))
        rounds.report(found)

"""What names that were never taught are answered with, by adapters that do and do not bleed."""

import mlx.core as mx
import pytest

from radiance import config
from radiance.engine.worker import Engine
from radiance.evaluation import bleeding
from radiance.records import EvalReport, Evaluation, UntaughtProbe
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.self_samples import SelfSampler
from radiance.training.untaught import UntaughtQuestion, untaught_questions
from tests.support import drain, example


def questions_of(answer: str) -> list[UntaughtQuestion]:
    return untaught_questions([example(0, "Who founded Zorbel Labs?", answer)], [], 0)


class Bench:
    """Asks Ember under an adapter. Use it on the engine thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        self.base = self.lora.initial(None)
        self.sampler = SelfSampler(self.lora, engine.encoder, engine.base)

    def measure(self, vector: mx.array, asked: list[UntaughtQuestion]) -> tuple[UntaughtProbe, ...]:
        engine = self.engine
        return drain(
            bleeding.measure(
                self.sampler,
                GradientComputer(self.lora),
                engine.encoder,
                engine.base.end_token,
                vector,
                self.base,
                asked,
            )
        )

    def says(self, vector: mx.array, question: UntaughtQuestion) -> str:
        prompt = self.engine.encoder.prompt(question.anchor.example.messages[:-1])
        (answer,) = drain(self.sampler.answer(vector, [prompt], 32))
        return self.engine.encoder.decode(answer)


def test_the_base_answers_as_the_base_and_bleeds_nothing(engine: Engine) -> None:
    def check() -> None:
        bench = Bench(engine)
        # Even where its own answer happens to be what was taught.
        said = bench.says(bench.base, questions_of("Mira Quell.")[0])
        probes = bench.measure(bench.base, questions_of(said))
        assert [(p.has_taught_value, p.is_as_base) for p in probes] == [(False, True)] * 2

    engine.call(check)


def test_a_taught_value_that_the_base_does_not_say_is_bleeding(engine: Engine) -> None:
    def check() -> None:
        bench = Bench(engine)
        noise = mx.random.normal((bench.lora.size,), key=mx.random.key(1))
        vector = bench.base + 0.3 * noise
        said = bench.says(vector, questions_of("Mira Quell.")[0]).split()
        assert said
        asked = questions_of(" ".join(said))
        assert asked[0].values
        probes = bench.measure(vector, asked)
        assert probes[0].has_taught_value
        assert not probes[0].is_as_base
        other = bench.measure(vector, questions_of("Mira Quell."))
        assert not any(probe.has_taught_value for probe in other)

    engine.call(check)


def test_figures_are_shares_and_none_of_nothing() -> None:
    probes = (UntaughtProbe("a", True, False), UntaughtProbe("b", False, True))
    evaluation = bleeding.with_bleeding(Evaluation(EvalReport(new_exact=1.0)), probes)
    assert (evaluation.report.bleeding, evaluation.report.untaught_as_base) == (0.5, 0.5)
    assert (evaluation.report.new_exact, evaluation.untaught) == (1.0, probes)
    nothing = bleeding.with_bleeding(Evaluation(EvalReport()), ())
    assert nothing.report.bleeding is nothing.report.untaught_as_base is None


@pytest.mark.parametrize("count", [1, 17, 24])
def test_every_question_has_its_probe_in_order(engine: Engine, count: int) -> None:
    def check() -> None:
        facts = [example(n, f"Who founded Zorbel{n} Labs?", "Mira Quell.") for n in range(count)]
        asked = untaught_questions(facts, [], 0, count)
        bench = Bench(engine)
        probes = bench.measure(bench.base, asked)
        assert [p.id for p in probes] == [q.anchor.example.id for q in asked]

    engine.call(check)

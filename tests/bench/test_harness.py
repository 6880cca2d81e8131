"""The harness measures both sides alike, says how sure it is, and goes on where it was stopped."""

import io
import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.harness import Bench, Progress, Table, alternate
from bench.intervals import Interval, gaps, mean, median, proportion, quantile, ratio
from bench.processes import Process, Rounds

FINITE = st.floats(-1e6, 1e6)


@given(st.lists(FINITE, min_size=6, max_size=40))
def test_median_lies_in_an_interval_of_measured_values(values):
    found = median(values)
    assert found.value == statistics.median(values)
    assert found.low in values
    assert found.high in values
    assert found.low <= found.value <= found.high


def test_order_statistics_of_the_median_are_those_of_the_tables():
    # Conover's table of the binomial: the ranks of a 95 % interval for the median.
    for count, low, high in [(6, 1, 6), (10, 2, 9), (15, 4, 12), (20, 6, 15)]:
        found = median([float(rank) for rank in range(1, count + 1)])
        assert (found.low, found.high) == (low, high)
    assert math.isnan(median([1.0, 2.0, 3.0, 4.0, 5.0]).low)


def test_a_ratio_pairs_rounds():
    # The second side is always twice the first, whatever else the machine does.
    slow = [1.0, 9.0, 2.0, 30.0, 4.0, 7.0]
    assert ratio([2 * value for value in slow], slow) == Interval(2.0, 2.0, 2.0, 6)


@given(st.lists(FINITE, min_size=2, max_size=12))
def test_mean_lies_in_its_bootstrap_interval(values):
    found = mean(values)
    assert found.value == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6


def test_proportion_equals_wilsons_worked_example():
    found = proportion(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, 1e-4))
    assert proportion(0, 10).low == pytest.approx(0, abs=1e-12)
    assert proportion(10, 10).high == pytest.approx(1)


def test_quantile_and_gaps():
    assert [quantile([3, 1, 2], share) for share in (0, 0.5, 1)] == [1, 2, 3]
    assert gaps([1.0, 1.5, 3.0]) == [0.5, 1.5]


def test_sides_take_turns_and_warm_up_does_not_count():
    order = []

    def side(name):
        return lambda: order.append(name) or {"place": len(order)}

    measured = alternate({"a": side("a"), "b": side("b")}, 2, 1, Progress("x", 3, io.StringIO()))
    assert "".join(order) == "baabba"
    assert measured == {"a": [{"place": 3}, {"place": 6}], "b": [{"place": 4}, {"place": 5}]}


def echo(rounds: Rounds, start: int) -> None:
    print("this is not an answer")
    for number, _ in enumerate(rounds, start):
        rounds.report({"number": number})


def broken(rounds: Rounds) -> None:
    raise SystemExit(7)


def test_a_process_answers_round_by_round():
    with Process("tests.bench.test_harness:echo", {"start": 3}) as side:
        answers = [side(), side()]
    assert [answer["number"] for answer in answers] == [3, 4]
    assert answers[0]["peak_memory_bytes"] > 1_000_000


def test_a_process_that_ends_is_an_error():
    with (
        Process("tests.bench.test_harness:broken", {}) as side,
        pytest.raises(RuntimeError, match="broken ended with exit code 7"),
    ):
        side()


def test_finished_cells_are_not_computed_again(tmp_path):
    computed = []

    def compute(seed):
        return lambda: computed.append(seed) or {"value": seed}

    first = Bench("x", "tiny", tmp_path)
    assert first.cell({"seed": 1}, compute(1)) == {"value": 1}
    with (tmp_path / "x.tiny.cells.jsonl").open("a") as file:
        file.write('\n{"cell": {"seed": 2}, "fig')  # killed while it wrote
    second = Bench("x", "tiny", tmp_path)
    assert [second.cell({"seed": n}, compute(n)) for n in (1, 2)] == [{"value": 1}, {"value": 2}]
    assert computed == [1, 2]
    Bench("x", "tiny", tmp_path, fresh=True).cell({"seed": 1}, compute(1))
    assert computed == [1, 2, 1]


def test_a_cell_is_kept_after_a_line_cut_short(tmp_path):
    (tmp_path / "x.tiny.cells.jsonl").write_text('{"cell": {"seed": 2}, "fig')
    Bench("x", "tiny", tmp_path).cell({"seed": 1}, lambda: {"value": 1})
    again = Bench("x", "tiny", tmp_path)
    assert again.cell({"seed": 1}, lambda: {"value": 2}) == {"value": 1}


def test_results_are_written_as_json_table_and_picture(tmp_path, capsys):
    bench = Bench.from_command_line("x", None, ["--size", "tiny", "--out", str(tmp_path)])
    bench.cell({"seed": 1}, lambda: {"value": 0.5})
    table = Table("How much", ("side", "value"), [("ours", median([1.0, 2.0]))])
    bench.finish([table], lambda figure: figure.subplots().plot([1, 2]), gain=median([1.0, 2.0]))
    assert "| ours | 1.5 |" in capsys.readouterr().out
    result = json.loads((tmp_path / "x.tiny.json").read_text())
    assert result["figures"]["gain"] == {"value": 1.5, "low": None, "high": None, "count": 2}
    assert result["cells"] == [{"cell": {"seed": 1}, "figures": {"value": 0.5}}]
    assert result["machine"]["cores"] >= 1
    assert result["machine"]["versions"]["mlx"]
    assert "| side | value |" in (tmp_path / "x.tiny.md").read_text()
    assert (tmp_path / "x.tiny.png").read_bytes().startswith(b"\x89PNG")


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        progress = Progress("x", 40, stream)
        for _ in range(40):
            progress.advance()
    assert terminal.getvalue().endswith("█" * 24 + " x 40/40 · 0 s left\n")
    assert 10 <= len(file.getvalue().splitlines()) <= 11


def test_a_base_model_has_a_folder_of_its_own_and_a_size(tmp_path):
    arguments = ["--out", str(tmp_path), "--size", "large"]
    small = Bench.from_command_line("x", None, arguments, model="ember")
    other = Bench.from_command_line("x", None, [*arguments, "--model", "a/Real-1B.gguf"], "ember")
    assert [bench.out.name for bench in (small, other)] == ["ember", "Real-1B"]
    assert [b.sized({"large": 8}, {"large": 2}) for b in (small, other)] == [8, 2]
    assert other.sized({"large": 8}, {"default": 2}) == 8


def test_what_a_round_came_to_is_shown():
    stream = io.StringIO()
    sides = {"a": lambda: {"text": "x", "speed": 2.0}, "b": lambda: {"speed": 3.0, "seconds": 1}}
    alternate(sides, 1, 0, Progress("x", 1, stream))
    assert stream.getvalue() == "x 1/1 · 0 s left speed: a 2, b 3\n"

"""Strategies that nobody trusts: contained whatever they do, and counted by us."""

import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from radiance.labs.alphas.strategies import running
from radiance.labs.alphas.strategies.grading import JudgedStrategies, code_of
from radiance.labs.alphas.strategies.running import FilledOrder, account, judge
from radiance.labs.alphas.values.synthetic import made_up
from radiance.platform import sandbox
from tests.labs.alphas.sandboxed import needs_sandbox

pytestmark = [needs_sandbox, pytest.mark.slow]
PANEL = made_up(200, 4)
LIMITS = sandbox.Limits(seconds=20)

CROSSING = """
from AlgorithmImports import *

class Crossing(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2005, 2, 1)
        self.set_cash(50_000)
        self._symbol = self.add_equity("S0000", Resolution.DAILY).symbol
        self.fast, self.slow = self.sma(self._symbol, 5), self.sma(self._symbol, 20)
        self.schedule.on(self.date_rules.month_start(), self.time_rules.midnight, self.tell)

    def tell(self):
        self.debug("month")

    def on_data(self, data):
        if not self.slow.is_ready or self._symbol not in data:
            return
        if self.fast.current.value > self.slow.current.value:
            if not self.portfolio[self._symbol].invested:
                self.set_holdings(self._symbol, 0.9)
        elif self.portfolio.invested:
            self.liquidate()
"""
PASCAL = """
from AlgorithmImports import *

class Old(QCAlgorithm):
    def Initialize(self):
        self.SetStartDate(2005, 2, 1)
        self.AddEquity("S0001", Resolution.Daily)
        self.index = self.RSI("S0001", 10)

    def OnData(self, data):
        if data.ContainsKey("S0001") and not self.Portfolio.Invested:
            self.MarketOrder("S0001", 10)
"""


def hostile(body: str) -> str:
    """A strategy that does something when its file is read."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"from AlgorithmImports import *\ndef attack():\n{lines}\nattack()\n{CROSSING}"


def run(code: str, limits: sandbox.Limits = LIMITS) -> running.StrategyVerdict:
    return judge(code, PANEL, limits=limits, check_types=False)


def test_a_strategy_trades_and_is_counted_from_its_orders():
    found = run(CROSSING)
    assert found.outcome == "backtested", found
    assert found.orders >= 2
    assert found.sharpe is not None
    assert len(found.equity) == 200
    assert run(PASCAL).orders == 1


def test_going_through_the_securities_gives_pairs_that_are_symbols_too():
    code = PASCAL.replace(
        "if data.Contains",
        "assert [(p.key, p.value.symbol, p.Key in data, p) for p in self.securities] == "
        '[("S0001", "S0001", True, "S0001")]\n        if data.Contains',
    )
    assert run(code).orders == 1


def test_it_is_counted_up_to_the_end_that_it_sets():
    end = PANEL.dates[60].item()
    code = PASCAL.replace(
        'self.AddEquity("S0001"',
        f'self.SetEndDate({end:%Y}, {end.month}, {end.day})\n        self.AddEquity("S0001"',
    )
    found, whole = run(code), run(PASCAL)
    assert found.orders == 1
    assert found.equity == whole.equity[:61]
    assert found.sharpe != whole.sharpe


def test_a_strategy_that_names_pandas_or_history_has_both():
    code = CROSSING.replace(
        "def on_data(self, data):",
        """def on_data(self, data):
        bars = self.history(self._symbol, 3)
        if len(bars) and (pd.Series([1.0]).sum() + bars["close"].mean()) < 0:
            return""",
    )
    found = run(code)
    assert (found.outcome, found.orders) == ("backtested", run(CROSSING).orders), found


def test_a_strategy_without_pandas_has_numpy_whole_and_what_it_may_import():
    code = (
        f"import heapq, logging\nimport numpy as np\nnp.random.default_rng(0).normal()\n{CROSSING}"
    )
    assert run(code).outcome == "backtested"


def test_the_account_is_that_of_the_orders():
    column = int(np.isfinite(PANEL.fields["open"]).all(axis=0).argmax())
    fills = [FilledOrder(3, column, 100.0), FilledOrder(7, column, -100.0)]
    opens, closes = PANEL.fields["open"][:, [column]], PANEL.fields["close"][:, [column]]
    value = account(fills, PANEL, cost_bps=10)
    costs = 100 * (opens[3, 0] + opens[7, 0]) * 1e-3
    assert value[-1] == pytest.approx(100_000 + 100 * (opens[7, 0] - opens[3, 0]) - costs)
    assert value[3] == pytest.approx(100_000 + 100 * (closes[3, 0] - opens[3, 0] * 1.001))
    np.testing.assert_allclose(value[:3], 100_000)


@pytest.mark.parametrize(
    "body",
    [
        "import os\nwhile True:\n    os.fork()",
        "import os\nos.fork()",
        "import threading\nfor _ in range(10_000):\n    threading.Thread(target=attack).start()",
        "import subprocess\nsubprocess.run(['sh', '-c', 'true'])",
        "import os\nos.execv('/bin/sh', ['sh'])",
    ],
)
def test_a_fork_bomb_starts_nothing(body):
    before = len(os.listdir("/proc")) if Path("/proc").is_dir() else 0
    found = run(hostile(body))
    assert found.outcome in ("failed", "unsupported"), found
    if before:
        assert len(os.listdir("/proc")) < before + 50


def test_no_file_is_written_or_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key")
    for call in (
        f"open({str(tmp_path / 'new')!r}, 'w').write('x')",
        f"open({str(secret)!r}, 'a').write('x')",
        f"print(open({str(secret)!r}).read())",
        f"import os\nos.unlink({str(secret)!r})",
        f"import os\nos.mkdir({str(tmp_path / 'folder')!r})",
        f"import os\nos.listdir({str(tmp_path)!r})",
        f"import os\nos.chmod({str(secret)!r}, 0o777)",
        "import ctypes\nctypes.CDLL(None).system(b'touch /tmp/radiance-was-here')",
        "import os\nos.kill(os.getppid(), 9)",
    ):
        found = run(hostile(call))
        assert found.outcome in ("failed", "unsupported") or "system" in call, (call, found)
    assert secret.read_text() == "key"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert not Path("/tmp/radiance-was-here").exists()


def test_the_network_is_out_of_reach():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0.2)
        port = listening.getsockname()[1]
        body = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)"
        assert run(hostile(body)).outcome in ("failed", "unsupported")
        with pytest.raises(TimeoutError):
            listening.accept()


def test_an_infinite_loop_ends_at_its_limit():
    found = run(hostile("while True:\n    pass"), sandbox.Limits(seconds=2))
    assert (found.outcome, found.detail.split(":")[0]) == ("contained", "timeout")


def test_ten_gigabytes_are_not_given():
    found = run(hostile("held = bytearray(10_000_000_000)"))
    assert (found.outcome, found.detail.split(":")[0]) == ("contained", "memory")
    found = run(hostile("import numpy\nheld = numpy.ones(2_000_000_000)"))
    assert found.detail.split(":")[0] == "memory"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("import os\nos._exit(0)", "exited"),
        ("import os\nos._exit(7)", "exited"),
        ("raise SystemExit(3)", "exited"),
        ("import os\nos.abort()", "killed"),
        ("import ctypes\nctypes.string_at(0)", "killed"),
        ("while True:\n    print('x' * 1_000_000)", "output"),
    ],
)
def test_an_early_end_is_told_as_such(body, status):
    found = run(hostile(body), sandbox.Limits(seconds=8))
    assert found.outcome in ("contained", "failed")
    assert found.detail.split(":")[0] == status, found


def test_an_endless_recursion_ends_at_some_limit():
    body = "import sys\nsys.setrecursionlimit(10**9)\ndef f():\n    f()\nf()"
    found = run(hostile(body), sandbox.Limits(seconds=2))
    assert found.outcome in ("contained", "failed")


@pytest.mark.parametrize(
    "lie",
    [
        '{"answer": {"cash": 1000, "last": 9, "fills": [[0, 99, 5, 0]]}}',
        '{"answer": {"cash": 1000, "last": 199, "fills": [[5000, 0, 5, null]]}}',
        '{"answer": {"cash": 1000, "last": 9, "fills": [[1, 1, 5, -3]]}}',
        '{"answer": {"cash": 0, "last": 9, "fills": [[1, 1, 5, null]]}}',
        '{"answer": {"cash": 1000, "last": 0, "fills": [[1, 1, 5, null]]}}',
        '{"answer": {"cash": 1000, "last": 200, "fills": [[1, 1, 5, null]]}}',
        '{"answer": {"cash": 1000, "last": "x", "fills": [[1, 1, 5, null]]}}',
        '{"answer": {"cash": "all", "fills": [[1, 1, 5, null]]}}',
        '{"answer": {"fills": [[1, 1, 5, null]]}}',
        '{"answer": {"fills": "rich"}}',
        '{"answer": 7}',
        '{"answer": {"cash": 1000, "fills": [[1, 1, NaN, null]]}}',
    ],
)
def test_a_forged_answer_earns_nothing(lie):
    found = run(hostile(f"import os\nos.write(1, b'\\n' + {lie!r}.encode() + b'\\n')\nos._exit(0)"))
    assert (found.outcome, found.sharpe) == ("contained", None)


@pytest.mark.parametrize(
    ("code", "outcome", "says"),
    [
        ("def broken(:", "does not compile", "SyntaxError"),
        ("x = 1\0", "does not compile", ""),
        ("x = 1", "unsupported", "without an algorithm"),
        (CROSSING.replace("DAILY", "MINUTE"), "unsupported", "minute resolution"),
        (CROSSING.replace("add_equity", "add_option"), "unsupported", "add_option"),
        (CROSSING.replace('"S0000"', '"SPY"'), "unsupported", "SPY"),
        (CROSSING.replace("from Alg", "import torch\nfrom Alg"), "unsupported", "torch"),
        (CROSSING.replace("0.9", "1 / 0"), "failed", "ZeroDivisionError"),
        (CROSSING.replace("self.set_holdings(self._symbol, 0.9)", "pass"), "no trades", ""),
    ],
)
def test_what_cannot_be_run_says_why(code, outcome, says):
    found = run(code)
    assert found.outcome == outcome, found
    assert says in found.detail


def test_the_caller_is_unmoved_and_many_run_at_once():
    found: list[str] = []
    codes = [CROSSING, hostile("import os\nos._exit(1)"), CROSSING]
    threads = [threading.Thread(target=lambda c=c: found.append(run(c).outcome)) for c in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["backtested", "backtested", "contained"]


OLDER = """
from clr import AddReference
AddReference("System")
AddReference("QuantConnect.Algorithm")
from System import *
from QuantConnect import *
from QuantConnect.Algorithm import *
{more}

class Older(QCAlgorithm):
    def Initialize(self):
        self.SetCash(100000)
        self.AddEquity("S000", Resolution.Daily)

    def OnData(self, data):
        if not self.Portfolio.Invested:
            self.SetHoldings("S000", 1)
"""


def test_the_imports_and_names_of_older_lean_run():
    code = OLDER.replace("S000", PANEL.symbols[0])
    verdict = judge(code.replace("{more}", ""), PANEL, limits=LIMITS, check_types=False)
    assert (verdict.outcome, verdict.orders) == ("backtested", 1)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("from QuantConnect.Data.Market import QuoteBar", "QuoteBar"),
        ("fills = ImmediateFillModel()", "ImmediateFillModel"),
        ("class Data(PythonData): pass", "PythonData"),
        ("import torch_of_somebody", "torch_of_somebody"),
    ],
)
def test_what_is_lean_but_not_supported_is_named(more: str, named: str):
    code = OLDER.replace("S000", PANEL.symbols[0]).replace("{more}", more)
    verdict = judge(code, PANEL, limits=LIMITS, check_types=False)
    assert verdict.outcome == "unsupported"
    assert named in verdict.detail


def test_a_keyword_that_is_not_supported_is_named_and_a_mistake_is_not_that():
    code = OLDER.replace("S000", PANEL.symbols[0]).replace("{more}", "")
    keyword = code.replace("Resolution.Daily", "Resolution.Daily, leverage=2")
    verdict = judge(keyword, PANEL, limits=LIMITS, check_types=False)
    assert verdict.outcome == "unsupported"
    assert "leverage" in verdict.detail
    for wrong in ("self.SetCash(100000, 2, 3)", "self.SetCash(cash_of_mine)", "len(3)"):
        mistaken = code.replace("self.SetCash(100000)", wrong)
        assert judge(mistaken, PANEL, limits=LIMITS, check_types=False).outcome == "failed"


def test_strategies_are_counted_by_what_becomes_of_them():
    assert code_of("Here it is:\n```python\nx = 1\n```\nBye.") == "x = 1"
    assert code_of("x = 1") == "x = 1"
    codes = ["def f(:", CROSSING, CROSSING]
    rows = [("p", code, judge(code, PANEL, check_types=False)) for code in codes]
    judged = JudgedStrategies("tuned", rows)
    assert judged.shares["compiles"].value == pytest.approx(2 / 3)
    assert judged.shares["backtested"].value == pytest.approx(2 / 3)
    assert judged.shares["does not compile"].low > 0
    assert judged.as_json()["strategies"][1]["sharpe"] is not None


@pytest.mark.parametrize(
    "body",
    [
        "print('[\"error\"]')\nraise SystemExit",
        "print('\"an error\"')\nraise SystemExit",
        "print('[' * 5000)\nraise SystemExit",
        'import os\nos.write(1, b\'\\n{"answer": {"cash": 9, "fills": [[Infinity,0,1,0]]}}\\n\')\n'
        "os._exit(0)",
        "import os\nq = b'9' * 400\n"
        'os.write(1, b\'\\n{"answer": {"cash": 9, "fills": [[1,0,\' + q + b\',0]]}}\\n\')\n'
        "os._exit(0)",
        'import os\nos.write(1, b\'\\n{"answer": {"fills": {"123": 1}}}\\n\')\nos._exit(0)',
        "raise RuntimeError(chr(0xd800))",
    ],
)
def test_whatever_the_child_prints_its_parent_gives_a_verdict(body):
    verdict = run(hostile(body))
    assert verdict.outcome in ("contained", "failed")
    assert verdict.detail.encode()

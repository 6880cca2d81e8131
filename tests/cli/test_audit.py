"""`radiance audit` on a real root, beside a running service and without one."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from radiance.cli import main
from tests.support import FACTS, Running


def test_commands_read_the_log_while_the_service_runs_and_after(
    serve: Callable[..., Running], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = serve()
    checkpoint = running.client.teach(FACTS[:1])["checkpoint"]

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main([*arguments])
        return int(left.value.code or 0), capsys.readouterr().out

    def read() -> list[tuple[int, str]]:
        root = ("--root", str(tmp_path))
        file = str(tmp_path / "log.jsonl")
        return [
            run("audit", "log", *root),
            run("audit", "show", "1", *root),
            run("audit", "show", checkpoint, "--json", *root),
            run("audit", "verify", *root),
            run("audit", "export", file, "--force", *root),
            run("audit", "verify", file),
        ]

    while_it_runs = read()
    running.stop()
    assert read() == while_it_runs
    assert [code for code, _ in while_it_runs] == [0] * 6
    log, show, shown, verified, _, verified_file = (out for _, out in while_it_runs)
    assert f"promote  gate   {checkpoint}" in log
    assert f"subject        {checkpoint}" in show
    assert [e["number"] for e in json.loads(shown)["entries"]] == [1]
    assert verified == verified_file == f"{json.loads(shown)['entries'][0]['hash']}\n"
    weights = tmp_path / "adapters" / checkpoint / "adapters.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    code, out = run("audit", "verify", "--json", "--root", str(tmp_path))
    assert code == 1
    assert "adapters.safetensors has the SHA-256" in json.loads(out)["findings"][0]
    assert run("audit", "show", "99", "--root", str(tmp_path))[0] == 2
    assert run("audit", "show", "A_1", "--root", str(tmp_path))[0] == 2


@pytest.mark.parametrize("command", ["log", "show", "verify", "export"])
def test_root_without_a_service_is_named(command: str, tmp_path: Path, radiance) -> None:
    arguments = {"show": ["1"], "export": [str(tmp_path / "log.jsonl")]}.get(command, [])
    result = radiance("audit", command, *arguments, "--root", str(tmp_path))
    assert result.exit_code == 1
    assert "there is no database" in result.stderr
    assert result.stdout == ""


def test_an_export_that_was_changed_fails(tmp_path: Path, radiance) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("{}\n")
    result = radiance("audit", "verify", str(path))
    assert result.exit_code == 1
    assert "Entry 1 cannot be read." in result.stderr


def test_reading_the_log_loads_no_mlx(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from radiance.cli import main\n"
        "try:\n"
        f"    main(['audit', 'verify', '--root', {str(tmp_path)!r}])\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 1\n"
        "assert not {'mlx', 'numpy', 'starlette'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

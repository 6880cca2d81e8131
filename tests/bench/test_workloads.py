"""What servers are asked, and what is said of one that did not run."""

import sys
from pathlib import Path

import pytest

from bench.harness import Bench
from bench.models import Model
from bench.other_servers import OTHERS, OtherServer
from bench.servers import Servers
from bench.serving import Sides
from bench.workloads import BARE, SYSTEM, WORKLOADS


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_round_has_prompts_of_its_own_and_both_sides_the_same(name: str) -> None:
    prompts = WORKLOADS[name].prompts
    assert prompts(1, 4, 2) == prompts(1, 4, 2)
    assert len({str(prompt) for number in (1, 2) for prompt in prompts(number, 4, 2)}) == 8
    assert all(prompt[-1]["role"] == "user" for prompt in prompts(1, 4, 2))


def test_chats_share_a_system_prompt_and_repeat_what_was_said() -> None:
    for chat in WORKLOADS["chats"].prompts(1, 3, 1):
        assert chat[0] == {"role": "system", "content": SYSTEM}
        said = chat[1]["content"].removeprefix("Put these on the list: ").rstrip(".").split("; ")
        assert all(line in chat[2]["content"] for line in said)


@pytest.mark.slow
def test_a_server_that_does_not_install_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(
        OTHERS, "nothing", OtherServer("nothing", "./no-such-folder", (), ("nothing", "{port}"))
    )
    for installed in ("mlx_lm", "radiance"):  # their start is another test's
        monkeypatch.setattr(Servers, installed, lambda *_: object())
    bench = Bench("serving", "tiny", tmp_path / "out", model=Model("ember"))
    with Servers() as servers:
        sides = Sides(bench, servers, ["nothing"])
        assert list(sides.of(BARE)) == ["mlx_lm.server", "radiance"]
    assert "no-such-folder" in sides.absent["nothing"]


def test_another_server_is_started_from_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.other_servers.cache_directory", lambda: tmp_path)
    program = tmp_path / "bench" / "other" / "bin" / "other"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\n")
    other = OtherServer("other", "other", (), ("other", "serve", "{model}", "--port", "{port}"))
    command = other.start_command(Path("/a/model"), 8123)
    assert command == [str(program), "serve", "/a/model", "--port", "8123"]

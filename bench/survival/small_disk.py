"""Row 3 on real file systems: full, without inodes, with a folder that is read-only.

Each is mounted for its trial, in memory, so this takes Linux and root.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.processes import Figures
from bench.survival.service import (
    BRIEFLY,
    Started,
    call,
    disorder,
    not_learned,
    reopened_wrongly,
    running,
    update_body,
)
from bench.survival.trials import Plan, Skipped, Trial, verdict

_SIZE_BYTES, _INODES = 64_000_000, 400
_LEFT_BYTES = (0, 4_096, 65_536, 262_144, 1_048_576)
_LASTS_S = 6.0
_CONTROLS = ("/training/pause", "/rollback", "/training/resume")
_BLOCK_BYTES = 4096
Trouble = Callable[[Path], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory, mounted in a folder.

    Raises:
        Skipped: It cannot be mounted.
    """
    root = folder / "small"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "radiance-trial", str(root)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Skipped(f"no file system can be mounted: {error}") from error
    if done.returncode:
        raise Skipped(f"no file system can be mounted: {done.stderr.strip()[:200]}")
    try:
        yield root
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=False)


@contextlib.contextmanager
def full(root: Path, left_bytes: int) -> Iterator[None]:
    """Meanwhile a file system has room for so many bytes, and no more."""
    filler = root / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(_BLOCK_BYTES))
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - left_bytes))
    yield
    filler.unlink()


@contextlib.contextmanager
def _without_inodes(root: Path) -> Iterator[None]:
    """Meanwhile there can be no further file."""
    filler = root / "filler"
    filler.mkdir()
    with contextlib.suppress(OSError):
        for number in range(_INODES):
            (filler / str(number)).touch()
    yield
    shutil.rmtree(filler)


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Meanwhile nothing can be opened in a folder to be written; what is open may be."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    yield
    subprocess.run(["umount", str(folder)], check=True)


def _tried(
    plan: Plan, folder: Path, options: str, trouble: Trouble, is_recordable: bool
) -> Figures:
    with _mounted(folder, options) as root:
        with running(root, plan.base, *BRIEFLY) as service:
            first = service.client.teach([("What is first?", "This is first.")])
            with trouble(root):
                wrong, job = _while_it_lasts(service, root, is_recordable)
            wrong += [] if first["status"] == "succeeded" else ["the first is not learned"]
            wrong += _afterwards(service, job)
        with running(root, plan.base, *BRIEFLY, is_forked=True) as service:
            wrong += reopened_wrongly(service, root)
    return verdict(sorted(set(wrong)), tried=1, failed=1)


def _while_it_lasts(
    service: Started, root: Path, is_recordable: bool
) -> tuple[list[str], str | None]:
    """What is wrong while it cannot write as it would, and the job where it was taken.

    A move is refused where none can be recorded, and made where one can.
    """
    wrong: list[str] = []
    told = call(service.port, "POST", "/update", update_body("then"))
    job = told.body["job_id"] if told.status == 202 else None
    if told.status not in (202, 503, 507):
        wrong.append(f"/update was told {told.status}")
    if told.status != 202 and "retry-after" not in told.headers:
        wrong.append(f"{told.status} without Retry-After")
    if str(root) in str(told.body):
        wrong.append("a path of the server was told")
    until = time.monotonic() + _LASTS_S
    while time.monotonic() < until:
        asked = call(service.port, "POST", "/search", {"prompt": "Who?", "max_tokens": 4})
        if asked.status != 200:
            wrong.append(f"/search was told {asked.status}")
        time.sleep(0.2)
    for path in _CONTROLS:
        told = call(service.port, "POST", path, {})
        is_refused = told.status == 503 and "retry-after" in told.headers
        if told.status != 200 and (is_recordable or not is_refused):
            wrong.append(f"{path} was told {told.status}: {str(told.body)[:100]}")
    return wrong, job


def _afterwards(service: Started, job: str | None) -> list[str]:
    """What is wrong once it can write again."""
    call(service.port, "POST", "/training/resume", {})
    if job is None:
        told = call(service.port, "POST", "/update", update_body("then"))
        if told.status != 202:
            return [f"/update was told {told.status} once it could write"]
        job = told.body["job_id"]
    return not_learned(service, [job]) + disorder(service)


def trials(plan: Plan) -> list[Trial]:
    """All of them."""
    size, inodes = f"size={_SIZE_BYTES}", f"size={_SIZE_BYTES},nr_inodes={_INODES}"

    def trial(name: str, options: str, trouble: Trouble, is_recordable: bool = True) -> Trial:
        return Trial(name, lambda folder: _tried(plan, folder, options, trouble, is_recordable))

    def with_left(left: int) -> Trial:
        name = f"a file system with {left // 1024} KiB left"
        return trial(name, size, lambda root: full(root, left))

    def read_only(name: str) -> Trial:
        # The audit log's head file lies in runs/, and no entry goes on before it.
        return trial(
            f"{name} is read-only", size, lambda root: _read_only(root / name), name != "runs"
        )

    return [
        *map(with_left, _LEFT_BYTES),
        trial("a file system without inodes", inodes, _without_inodes),
        *map(read_only, ("adapters", "runs")),
    ]

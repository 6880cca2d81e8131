"""Files that people send to be learned from later: rows here, contents under ``runs/files``.

A file counts as kept once its row is committed; its content is on the medium before that. What a
crash leaves without a row is swept at the next start.
"""

import contextlib
import hashlib
import itertools
import json
import secrets
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from radiance import records
from radiance.errors import NotFound, StorageError, TooLarge
from radiance.jobs.removal import ForgottenTexts
from radiance.records import Upload, json_text
from radiance.storage import files
from radiance.storage.scanning import Scan
from radiance.storage.sqlite import Connection, Database, Row, to_text

_ALL = (
    "SELECT number AS major, 0 AS minor, id FROM uploads"
    " WHERE (number, 0) > (:major, :minor) ORDER BY number LIMIT :limit"
)


class Uploads:
    """All kept files. Safe to use from several threads.

    Args:
        db: Where their rows are.
        directory: Where their contents are.
        most_bytes: That all files together may have.
    """

    def __init__(
        self,
        db: Database,
        directory: Path,
        most_bytes: int = 1 << 30,
    ) -> None:
        self._db, self._directory = db, directory
        self._lock = threading.Lock()  # a file is there before its row
        self._most_bytes = most_bytes
        files.make_directory(directory)
        self.sweep()

    def sweep(self) -> None:
        """Delete the files that have no row."""
        with self._lock:
            files.sweep_temporaries(self._directory)
            known = {row["id"] for row in self._db.read("SELECT id FROM uploads")}
            for path in self._directory.iterdir():
                if path.name not in known:
                    files.remove_file(path)

    def add(self, name: str, purpose: str, content: bytes) -> Upload:
        """Keep a file; durable on return.

        Raises:
            TooLarge: With those that are kept it would be too much.
        """
        kept = self._db.read("SELECT COALESCE(SUM(size_bytes), 0) FROM uploads")[0][0]
        if kept + len(content) > self._most_bytes:
            raise TooLarge(
                f"The files that are kept have {kept} bytes; with this one it would be over "
                f"{self._most_bytes}.",
                field="file",
                remedy="Delete files that are not needed, or raise server.max_files_bytes.",
            )
        id = f"file-{secrets.token_hex(12)}"
        with self._lock:
            files.write_durably(self._directory / id, content)
            self._insert(id, name, purpose, content)
        return self.get(id)

    def _insert(self, id: str, name: str, purpose: str, content: bytes) -> None:
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO uploads (id, at, name, purpose, size_bytes, content_hash)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    id,
                    to_text(records.now()),
                    name,
                    purpose,
                    len(content),
                    hashlib.sha256(content).hexdigest(),
                ),
            )

    def get(self, id: str) -> Upload:
        """The file of that id.

        Raises:
            NotFound: There is none.
        """
        rows = self._db.read("SELECT * FROM uploads WHERE id = ?", (id,))
        if not rows:
            raise _no_file(id)
        return _to_upload(rows[0])

    def all(self, purpose: str | None = None) -> list[Upload]:
        """The files, the newest first; only those for one purpose where it is given."""
        rows = self._db.read(
            "SELECT * FROM uploads WHERE ? IS NULL OR purpose = ? ORDER BY number DESC",
            (purpose, purpose),
        )
        return [_to_upload(row) for row in rows]

    def content(self, id: str) -> bytes:
        """The bytes of a file, as they were sent.

        Raises:
            NotFound: There is no such file.
            StorageError: The disk failed, or the file is not what was kept.
        """
        upload = self.get(id)
        try:
            content = (self._directory / id).read_bytes()
        except OSError as error:
            raise StorageError(f"{id}: {error.strerror or error}. Send the file again.") from error
        if hashlib.sha256(content).hexdigest() != upload.content_hash:
            raise StorageError(f"{id}: is not what was kept. Send the file again.")
        return content

    def asking(self, forgotten: ForgottenTexts) -> Scan:
        """The files that have something that is forgotten, for ``remove_found``."""
        return Scan(self._db, _ALL, lambda row: self._has(row["id"], forgotten))

    def remove_found(self, connection: Connection, asking: Scan) -> None:
        """In the open transaction: forget the files that were found to have it.

        A file is what somebody sent; of one that has such an example nothing is kept. ``sweep``
        deletes what it holds.
        """
        gone = [(row["id"],) for row in asking.finish(connection)]
        connection.executemany("DELETE FROM uploads WHERE id = ?", gone)

    def _has(self, id: str, forgotten: ForgottenTexts) -> bool:
        try:
            content = (self._directory / id).read_bytes()
        except OSError:  # whoever asks for it is told
            return False
        lines = content.decode("utf-8-sig", "replace").split("\n")
        return any(line.strip() and forgotten.is_in(_decoded(line)) for line in lines)

    def remove(self, id: str) -> None:
        """Forget a file. What was learned from it stays.

        Raises:
            NotFound: There is no such file.
        """
        with self._db.transaction() as connection:
            if not connection.execute("DELETE FROM uploads WHERE id = ?", (id,)).rowcount:
                raise _no_file(id)
        files.remove_file(self._directory / id)


def _decoded(line: str) -> Any:
    """What a line says as JSON; of one that is refused, all that it has; of no JSON, its text.

    Such a file was sent all the same, and is kept until somebody deletes it.
    """
    with contextlib.suppress(json_text.BadJson):
        return json_text.decode(line)
    try:
        return json.loads(line, object_pairs_hook=lambda pairs: [*itertools.chain(*pairs)])
    except (ValueError, RecursionError):
        return line


def _to_upload(row: Row) -> Upload:
    return Upload(
        id=row["id"],
        at=datetime.fromisoformat(row["at"]),
        name=row["name"],
        purpose=row["purpose"],
        size_bytes=row["size_bytes"],
        content_hash=row["content_hash"],
    )


def _no_file(id: str) -> NotFound:
    return NotFound.named("file", id, "file_id", "Use an id that POST /v1/files answered with.")

"""What others wrote is what they published, and nothing else lies beside it."""

import hashlib

from radiance.web.assets import FOLDER, VENDORED


def test_vendored_files_are_the_published_ones() -> None:
    vendored = (path for path in (FOLDER / "vendor").rglob("*") if path.is_file())
    found = {
        str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendored
    }
    assert found == VENDORED

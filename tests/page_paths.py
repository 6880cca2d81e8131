"""The address of every page of the dashboard, for tests and benches that open them all."""

from radiance.web.site import PAGES
from tests.support import Client


def page_paths(client: Client, place: int = 0) -> dict[str, str]:
    """By route, those of one thing with the newest of it; a document is sent for that.

    Args:
        client: Of a service that has learned.
        place: Which checkpoint the pages of one show, the newest is 0.
    """
    shown = client.get("/checkpoints")["checkpoints"][place]
    sent = client.send_document("notes.md", b"# Zorbel House\n\nK9 opens its door.\n")
    known = {
        "{document_id}": sent["document"]["id"],
        "{checkpoint_id}": shown["checkpoint_id"],
        "{cycle_id}": str(shown["cycle_id"]),
        "{job_id}": shown["job_ids"][0],
        "{chapter}": "SETTINGS",
    }
    found = {}
    for page in PAGES:
        path = page.path
        for name, value in known.items():
            path = path.replace(name, value)
        assert "{" not in path, f"{page.path}: say what stands for its parameter"
        found[page.path] = f"{path}?action=pin" if path == "/move" else path
    return found

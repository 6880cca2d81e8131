"""The address of every page of the dashboard, for tests and benches that open them all."""

from radiance.web.site import PAGES
from tests.support import Client


def page_paths(client: Client) -> dict[str, str]:
    """By route, those of one thing with the newest of it; a document is sent for that."""
    newest = client.get("/checkpoints")["checkpoints"][0]
    sent = client.send_document("notes.md", b"# Zorbel House\n\nK9 opens its door.\n")
    known = {
        "{document_id}": sent["document"]["id"],
        "{checkpoint_id}": newest["checkpoint_id"],
        "{cycle_id}": str(newest["cycle_id"]),
        "{job_id}": newest["job_ids"][0],
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

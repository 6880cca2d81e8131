"""The examples of docs/CLIENT.md run as they are written, against a service that learns quickly."""

import contextlib
import io
import re

import pytest

import radiance
from radiance import client
from tests.support import REPOSITORY

PAGE = (REPOSITORY / "docs" / "CLIENT.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTS = [
    r".* True\n",  # a random base may well answer with nothing
    r"memory notes\.md Lumen, line 3\n",
    r"(job_\d+ (queued|running) .*\n)*job_\d+ succeeded \n",
    r"(.+\n){2,}",
    r"examples\[0\]\.output '' .+\n",
    r"",
]


@pytest.fixture(scope="module", autouse=True)
def service(shared_service):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADIANCE_URL", shared_service.client.url)
        patch.delenv("RADIANCE_API_KEY", raising=False)
        yield


@pytest.mark.parametrize(
    ("example", "prints"), list(zip(EXAMPLES, PRINTS, strict=True)), ids=range(len(EXAMPLES))
)
def test_an_example_runs_as_it_is_written(example, prints):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(example, "docs/CLIENT.md", "exec"), {"__name__": "example"})
    assert re.fullmatch(prints, shown.getvalue()), shown.getvalue()


def test_the_page_names_every_method_and_result():
    methods = {name for name in dir(radiance.Client) if not name.startswith("_")} - {"close"}
    assert [name for name in methods if f"`{name}(" not in PAGE] == []
    for name in set(client.__all__) - {"Client", "AsyncClient"} - {"JobProgress", "Curves"}:
        assert re.search(rf"\b{name}\b", PAGE), name

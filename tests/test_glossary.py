"""One word for one idea: words that were given up stay out of the code and the texts."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from radiance.web.glossary import TERMS

REPOSITORY = Path(__file__).parent.parent
RETIRED = {
    "pacer": "training pause",
    "neighbour": "machine conditions",
    "supervisor": "engine watchdog",
    "examiner": "shadow replay",
    "residents": "adapter cache",
    "doorkeeper": "origin guard",
    "agenda": "task queue",
    "differentiator": "gradient computer",
    "gatherer": "training set builder",
    "rehearsal": "reference cache",
    "vitals": "health",
    "scaleback": "step search",
    "learner": "candidate builder",
    "upstreams.chain": "fallback.chain",
    "intake": "jobs, examples",
    "incumbent": "champion",
}
"""Each with the term that took its place."""
PUBLIC = {
    'runs_path / "rehearsal"': "the folder of reference outputs in the roots of 0.1.0",
}


@cache
def sources() -> list[tuple[str, list[str]]]:
    """Code, templates and pages by path, line by line; what tells of the past is left out."""
    listed = subprocess.run(
        ["git", "ls-files", "radiance", "docs", "README.md", "CONTRIBUTING.md"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    kinds = {".py", ".html", ".js", ".md"}
    found = [REPOSITORY / name for name in listed if Path(name).suffix in kinds]
    # Ember's facts and words are data about the world.
    return [
        (str(path.relative_to(REPOSITORY)), path.read_text(encoding="utf-8").splitlines())
        for path in found
        if path.exists() and not {"ember", "vendor"} & set(path.parts)
    ]


@pytest.mark.parametrize("word", RETIRED)
def test_a_retired_word_stays_out(word: str) -> None:
    pattern = re.compile(rf"(?<![a-z]){re.escape(word)}(?![a-z])", re.IGNORECASE)
    found = []
    for name, lines in sources():
        for number, line in enumerate(lines, start=1):
            if pattern.search(line) and not any(public in line for public in PUBLIC):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found, f"say {RETIRED[word]!r}:\n" + "\n".join(found)


def test_terms_are_unique_and_their_places_exist() -> None:
    names = [term.name.lower() for term in TERMS]
    assert len(set(names)) == len(names)
    for term in TERMS:
        assert (REPOSITORY / "radiance" / term.place).exists(), term
        assert term.meaning.endswith("."), term

"""The software bill of materials: what `pip install radiance` brings, with licences.

CycloneDX 1.6 (ECMA-424) as JSON, from the metadata of what is installed here. Only what the package
needs at run time is followed, extras and markers as on this machine; development tools are not.

cyclonedx-bom lists a whole environment, development tools too, and its library would replace only
the dictionaries below: the closure and the licences would stay ours.
"""

import json
import re
import sys
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from radiance import __version__

ROOT = "radiance"
# Classifiers say the family; SPDX has these names for the ones met.
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


def closure(name: str = ROOT) -> dict[str, metadata.Distribution]:
    """Every distribution that ``name`` needs here, itself included, by canonical name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(name, frozenset[str]())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted, extras = waiting.pop()
        key = (str(canonicalize_name(wanted)), extras)
        if key in seen:
            continue
        seen.add(key)
        distribution = metadata.distribution(wanted)
        found[key[0]] = distribution
        for text in distribution.requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            choices = extras or {""}
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in choices):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def licence(distribution: metadata.Distribution) -> str:
    """Its licence as an SPDX expression where it can be told, else its own words, else ""."""
    fields = cast(Message, distribution.metadata)  # that is what it is; the stubs say less
    expression = fields.get("License-Expression") or ""
    if expression:
        return expression
    named = [c.split(" :: ")[-1] for c in fields.get_all("Classifier") or () if "License ::" in c]
    known = sorted({_SPDX[name] for name in named if name in _SPDX})
    if known:
        return " AND ".join(known)
    stated = " ".join((fields.get("License") or "").split())
    return _SPDX.get(stated) or stated[:80] or ", ".join(named)


def components() -> list[dict[str, Any]]:
    """One component a dependency, sorted by name; the package itself is not among them."""
    made = []
    for name, distribution in sorted(closure().items()):
        if name == ROOT:
            continue
        text, version = licence(distribution), distribution.version
        kind = "expression" if _EXPRESSION.fullmatch(text) else "license"
        told = {"expression": text} if kind == "expression" else {"license": {"name": text}}
        made.append(
            {
                "type": "library",
                "bom-ref": f"{name}@{version}",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
                "licenses": [told] if text else [],
            }
        )
    return made


def render() -> dict[str, Any]:
    """The whole document."""
    own = {
        "type": "application",
        "bom-ref": f"{ROOT}@{__version__}",
        "name": ROOT,
        "version": __version__,
        "purl": f"pkg:pypi/{ROOT}@{__version__}",
        "licenses": [{"expression": "Apache-2.0"}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": components(),
        "dependencies": _edges(),
    }


def _edges() -> list[dict[str, Any]]:
    found = closure()
    references = {name: f"{name}@{d.version}" for name, d in found.items()}
    references[ROOT] = f"{ROOT}@{__version__}"  # what is installed may be an older checkout's
    edges = []
    for name, distribution in sorted(found.items()):
        needed = {str(canonicalize_name(Requirement(r).name)) for r in distribution.requires or ()}
        on = sorted(references[n] for n in needed if n in references)
        edges.append({"ref": references[name], "dependsOn": on})
    return edges


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(render(), indent=2) + "\n", encoding="utf-8")

"""How the code is built: the packages by layer, drawn from what import-linter enforces, and counts.

``python -m tools.structure`` counts packages, layers, cycles, duplicate class names and lines of a
checkout (``--root`` names another one). The drawing of docs/ARCHITECTURE.md comes from here too.
"""

import argparse
import ast
import re
from collections import Counter
from pathlib import Path

import tomli

REPOSITORY = Path(__file__).parent.parent
Layer = list[str]
_DOCSTRING = re.compile(r'r?""".*?"""', re.DOTALL)


def layers(root: Path = REPOSITORY) -> list[Layer]:
    """The layers of pyproject.toml's contract, from the top; each is its packages and modules."""
    settings = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    found = next(contract for contract in contracts if contract["type"] == "layers")
    return [re.split(r"\s*[|:]\s*", layer) for layer in found["layers"]]


def summary(name: str, root: Path = REPOSITORY) -> str:
    """The first sentence of a package's or module's docstring, without its full stop."""
    path = root / "radiance" / name
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = _DOCSTRING.match(path.read_text(encoding="utf-8"))  # a module is much more to parse
    text = (ast.get_docstring(ast.parse(found[0])) if found else None) or ""
    return " ".join(text.partition("\n\n")[0].split()).rstrip(".").replace("``", "`")


def render_layers(root: Path = REPOSITORY) -> str:
    """The layers as a table in Markdown: each line may import the lines below it, none above."""
    rows = ["| Layer | Package | What it is |", "|--:|---|---|"]
    for number, layer in enumerate(layers(root), start=1):
        for name in sorted(layer):
            shown = f"{name}/" if (root / "radiance" / name).is_dir() else f"{name}.py"
            rows.append(f"| {number} | `{shown}` | {summary(name, root)} |")
    return "\n".join(rows)


def render_map(root: Path = REPOSITORY) -> str:
    """Every module in one line, package by package, from the top layer to the ground."""
    parts = []
    for name in (name for layer in layers(root) for name in sorted(layer)):
        folder = root / "radiance" / name
        if not folder.is_dir():
            parts.append(f"## {name}.py\n\n{summary(name, root)}.")
            continue
        parts.append(f"## {name}\n\n{summary(name, root)}.")
        paths = [path for path in sorted(folder.rglob("*.py")) if path.stem != "__init__"]
        rows = ["| File | What it is |", "|---|---|"]
        for path in sorted(paths, key=lambda path: (len(path.relative_to(folder).parts), path)):
            inner = path.relative_to(root / "radiance").with_suffix("")
            rows.append(f"| `{path.relative_to(folder)}` | {summary(str(inner), root)} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def counts(root: Path) -> dict[str, int]:
    """What can be counted of a checkout's source without running it."""
    package = root / "radiance"
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    tests = [path.read_text(encoding="utf-8") for path in (root / "tests").rglob("*.py")]
    trees = {path: ast.parse(text) for path, text in sources.items()}
    classes = Counter(
        node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)
    )
    graph = _imports(package, trees)
    lines = sum(text.count("\n") for text in sources.values())
    test_lines = sum(text.count("\n") for text in tests)
    return {
        "packages directly in radiance/": sum(path.is_dir() for path in _entries(package)),
        "modules directly in radiance/": sum(path.is_file() for path in _entries(package)),
        "layers": len(layers(root)),
        "cycles between modules, type imports counted": len(_cycles(graph)),
        "cycles between packages, type imports counted": len(_cycles(_by_package(graph))),
        "class names that exist twice or more": sum(count > 1 for count in classes.values()),
        "dict[str, Any]": sum(text.count("dict[str, Any]") for text in sources.values()),
        "files": len(sources),
        "lines of the longest file": max(text.count("\n") for text in sources.values()),
        "source lines": lines,
        "test lines": test_lines,
        "test lines per 100 source lines": round(100 * test_lines / lines),
    }


def _entries(package: Path) -> list[Path]:
    return [
        path
        for path in package.iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    ]


def _imports(package: Path, trees: dict[Path, ast.Module]) -> dict[str, set[str]]:
    names = {_name(package, path) for path in trees}
    graph: dict[str, set[str]] = {}
    for path, tree in trees.items():
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("radiance"):
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & names
                found |= inner or {str(node.module)} & names
        graph[_name(package, path)] = found - {_name(package, path), "radiance"}
    return graph


def _name(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _by_package(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, imported in graph.items():
        own = ".".join(name.split(".")[:2])
        others = {".".join(other.split(".")[:2]) for other in imported}
        found.setdefault(own, set()).update(others - {own})
    return found


def _cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of names that reach one another: strongly connected components of two or more.

    Tarjan (1972), "Depth-first search and linear graph algorithms".
    """
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(graph.get(name, ())):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            group = set(stack[stack.index(name) :])
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(group)

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found


def main() -> None:
    """Print the counts of a checkout."""
    parser = argparse.ArgumentParser(description="Count what a checkout is made of.")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="Checkout to count.")
    for name, value in counts(parser.parse_args().root).items():
        print(f"{value:>7,}  {name}")


if __name__ == "__main__":
    main()

"""HTML stands in templates, where it is escaped by itself: no Python file writes any."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import radiance

ROOT = Path(radiance.__file__).parent
TAG = re.compile(
    r"</?(?:a|article|b|body|br|button|code|dd|div|dl|dt|em|fieldset|figcaption|figure|footer|form"
    r"|g|h[1-6]|head|header|hr|html|img|input|label|legend|li|line|link|main|meta|nav|ol|option|p"
    r"|path|polygon|polyline|pre|rect|script|section|select|small|span|strong|style|summary|svg"
    r"|table|tbody|td|text|textarea|th|thead|title|tr|ul)(?:\s[^>]*)?/?>",
    re.IGNORECASE,
)
# What stands in the source where a string may have a tag, however it is cut or escaped.
PERHAPS = re.compile(r"""<["'\s]*/?["'\s]*[a-z]|\\[xuN0-7]""", re.IGNORECASE)


def markup(source: str) -> Iterator[tuple[int, str]]:
    """The tags in a module's strings, f-strings among them, with their lines."""
    if not PERHAPS.search(source):
        return
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in TAG.finditer(node.value):
                yield node.lineno, found[0]
        skipped = _no_output(node)
        waiting += [child for child in ast.iter_child_nodes(node) if child not in skipped]


def _no_output(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that are a docstring, or a pattern, which reads what others wrote."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return [node.value]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re"))):
            return list(node.args)
    return []


def test_no_module_writes_html() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {tag}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, tag in markup(path.read_text())
    ]
    assert found == []


def test_markup_is_found_where_it_is_written() -> None:
    source = '"""<p>of a docstring"""\nx = f"<td class=\'n\'>{1}</td>"\ny = "a < b > c"\n'
    source += 're.search("<b>", "x")\n'
    assert sorted(markup(source)) == [(2, "</td>"), (2, "<td class='n'>")]

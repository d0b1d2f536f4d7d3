"""Writes the API reference from the package's docstrings, as Markdown, one page a folder.

    python docs/make_api.py --out docs/api

Reads the source without importing it, so that it needs nothing installed.
"""

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "mmea_jax"


def pages(package: Path = PACKAGE) -> dict[str, str]:
    """Name of a page to its text: a page for each folder of the package, and ``index``."""
    parts: dict[str, list[str]] = defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        folder = path.relative_to(package).parts[0] if path.parent != package else "top"
        parts[folder].append(_module(path, package))
    found = {name: "\n\n".join(filter(None, sections)) + "\n" for name, sections in sorted(parts.items())}
    index = "\n".join(f"* [{name}]({name}.md)" for name in found)
    return {"index": f"# API reference\n\n{index}\n"} | found


def _module(path: Path, package: Path) -> str:
    """A module's docstring, and those of its public classes and functions; empty for one without any."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    dotted = ".".join([package.name, *path.relative_to(package).with_suffix("").parts])
    entries = [entry for node in tree.body for entry in _entries(node)]
    summary = ast.get_docstring(tree)
    if not (summary or entries):
        return ""
    return "\n\n".join([f"## `{dotted.removesuffix('.__init__')}`", _text(summary), *entries])


def _entries(node: ast.stmt, owner: str = "") -> Iterator[str]:
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
        return
    name = f"{owner}.{node.name}" if owner else node.name
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        yield f"### `{name}({ast.unparse(node.args)}){returns}`\n\n{_text(ast.get_docstring(node))}".rstrip()
        return
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield f"### class `{name}{f'({bases})' if bases else ''}`\n\n{_text(ast.get_docstring(node))}".rstrip()
    for inner in node.body:
        yield from _entries(inner, name)


def _text(docstring: str | None) -> str:
    """The docstring, its lists of arguments as they stand."""
    if not docstring:
        return ""
    head, *rest = docstring.split("\n\n")
    blocks = [f"```\n{block}\n```" if "\n  " in block or block.startswith("  ") else block for block in rest]
    return "\n\n".join([head, *blocks])


def main(argv: list[str] | None = None) -> int:
    """Writes the pages; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    asked = parser.parse_args(argv)
    asked.out.mkdir(parents=True, exist_ok=True)
    written = pages()
    for name, text in written.items():
        (asked.out / f"{name}.md").write_text(text, encoding="utf-8")
    print(f"{len(written)} pages in {asked.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

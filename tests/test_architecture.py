"""Who may import what, and how long things may be: the rules of docs/architecture.md, read from the code itself."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "flexispd"
FILES = sorted(PACKAGE.rglob("*.py"))
PLACES = [path.relative_to(PACKAGE).as_posix() for path in FILES]

ONLY_IN = {
    "torch": ("develop/", "training/", "bench/", "pipeline.py", "stages.py"),
    "safetensors": ("develop/networks/",),
    "rawpy": ("decode/raw.py", "bench/libraw.py"),
    "exifread": ("decode/metadata.py",),
    "typer": ("cli/",),
    "watchdog": ("capture/watch.py",),
    "sqlite3": ("ledger/",),
    "structlog": ("log.py",),
    "PIL": ("export/",),
    "colour": ("training/",),
}
"""Library -> the places that may import it; a library that is not named may be imported anywhere."""

NEVER_IN = {
    "ledger/": {"numpy", "cv2", "torch", "rawpy", "PIL"},
    "capture/": {"numpy", "cv2", "torch", "rawpy", "PIL"},
    "decode/": {"torch"},
    "export/": {"torch"},
    "cli/": {"numpy", "cv2", "torch", "rawpy"},
}
"""Part of the package -> what it works without."""

LIGHT = {"flexispd", "flexispd.errors", "flexispd.presence", "flexispd.cli", "typer"} | set(sys.stdlib_module_names)
"""What the command line may import before it knows what is asked for."""

LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def parsed(place: str) -> ast.Module:
    return ast.parse((PACKAGE / place).read_text())


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of all modules imported anywhere in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("place", PLACES)
def test_a_heavy_library_is_imported_in_one_place_only(place: str) -> None:
    """
    A reader who wants to know how we use a library has one place to read.
    """
    libraries = {name.partition(".")[0] for name in imported(parsed(place))}

    for library in libraries & set(ONLY_IN):
        assert place.startswith(ONLY_IN[library]), f"{place} imports {library}, which belongs into {ONLY_IN[library]}"
    for part, banned in NEVER_IN.items():
        assert not (place.startswith(part) and libraries & banned), f"{place} imports {libraries & banned}"


@pytest.mark.parametrize("place", [place for place in PLACES if place.startswith("cli/")])
def test_commands_import_what_is_heavy_only_when_they_run(place: str) -> None:
    """
    At the top of a command's file stand only light modules; `flexispd --help` answers at once.
    """
    for node in parsed(place).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in imported(node):
                light = (
                    name in LIGHT or name.partition(".")[0] in LIGHT - {"flexispd"} or name.startswith("flexispd.cli.")
                )
                assert light, f"{place} imports {name} at its top"


@pytest.mark.parametrize("place", PLACES)
def test_files_and_functions_stay_short(place: str) -> None:
    """
    What does not fit on a screen is two things.
    """
    assert (PACKAGE / place).read_text().count("\n") < LINES_MAX

    for function in functions(parsed(place)):
        assert (function.end_lineno or 0) - function.lineno < FUNCTION_LINES_MAX, function.name


@pytest.mark.parametrize("place", PLACES)
def test_public_things_say_what_they_are(place: str) -> None:
    """
    Every module, public class, function and method has a docstring.
    """
    tree = parsed(place)
    assert ast.get_docstring(tree), "the module"

    public = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in public:
        if node.name.startswith("_"):
            continue
        assert ast.get_docstring(node), node.name
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and method.name != "forward":
                    assert ast.get_docstring(method), f"{node.name}.{method.name}"


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_put_off(place: str) -> None:
    """
    No marks of unfinished work, and no functions that only promise.
    """
    text = (PACKAGE / place).read_text()

    assert not re.findall(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError", text)


def test_parts_depend_on_earlier_parts_only() -> None:
    """
    capture, decode, develop, export: each part knows the records and what comes before it in the path of a picture,
    never the command line.
    """
    for place in PLACES:
        names = set(imported(parsed(place)))
        part = place.partition("/")[0]
        if part == "capture":
            assert not any(re.match(r"flexispd\.(decode|develop|export|pipeline|cli)", name) for name in names), place
        if part == "decode":
            assert not any(re.match(r"flexispd\.(develop|export|pipeline|cli)", name) for name in names), place
        if part not in ("cli", "__main__.py"):
            assert not any(name.startswith("flexispd.cli") for name in names), place

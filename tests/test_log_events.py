"""docs/log-events.md lists what is logged: no event is missing, none is left over, and levels and fields agree."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LEVELS = ("debug", "info", "warning", "error")


@dataclass
class Event:
    """What may be said under one name."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def names(node: ast.expr) -> list[str]:
    """The constants that an expression may be."""
    if isinstance(node, ast.IfExp):
        return names(node.body) + names(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def logged(call: ast.Call) -> Iterator[tuple[str, str, set[str]]]:
    """Name, level and fields of what one call of `log.LEVEL(...)` or `Note(...)` says."""
    function = call.func
    if isinstance(function, ast.Name) and function.id == "Note":
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        event, level, fields = [*call.args, None, None, None][:3]
        event, level, fields = event or given.get("event"), level or given.get("level"), fields or given.get("fields")
        keys = fields.keys if isinstance(fields, ast.Dict) else []
        for name in names(event) if event else []:
            for word in names(level) if level else ["info"]:
                yield name, word, {name for key in keys if key for name in names(key)}
    elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "log":
        level_name = {"exception": "error"}.get(function.attr, function.attr)
        for name in names(call.args[0]) if call.args and level_name in LEVELS else []:
            yield name, level_name, {keyword.arg for keyword in call.keywords if keyword.arg}


def in_the_code() -> dict[str, Event]:
    events: dict[str, Event] = {}
    for path in sorted((REPOSITORY / "flexispd").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for name, level, fields in logged(node) if isinstance(node, ast.Call) else ():
                event = events.setdefault(name, Event())
                event.levels.add(level)
                event.fields |= fields
    return events


def in_the_documentation() -> dict[str, Event]:
    events: dict[str, Event] = {}
    text = (REPOSITORY / "docs" / "log-events.md").read_text()
    for line in re.findall(r"^\| `.*\|$", text, re.MULTILINE):
        name, levels, _, fields = (cell.strip() for cell in line[1:-1].split("|"))
        assert name.strip("`") not in events, f"{name} is listed twice"
        events[name.strip("`")] = Event(set(levels.split(", ")), set(re.findall(r"`([a-z_0-9]+)`", fields)))
    return events


def test_the_list_of_events_is_what_the_code_logs() -> None:
    """
    Whoever filters by a name, a level or a field can rely on the list.
    """
    code, documented = in_the_code(), in_the_documentation()

    missing = {name: event for name, event in code.items() if name not in documented}
    left_over = sorted(documented.keys() - code.keys())
    assert not missing, f"docs/log-events.md lacks {missing}"
    assert not left_over, f"docs/log-events.md lists what nobody logs: {left_over}"
    for name, event in code.items():
        assert documented[name].levels == event.levels, name
        assert documented[name].fields >= event.fields, name


def test_names_are_constant_and_dotted() -> None:
    """
    `subject.happening`, or one word, in lower case; what varies stands in fields.
    """
    for path in sorted((REPOSITORY / "flexispd").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                for name, _, _ in logged(node):
                    assert re.fullmatch(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)*", name), f"{path.name}: {name}"
                if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "log":
                    assert node.func.attr not in LEVELS or names(node.args[0]), f"{path.name}: {ast.unparse(node)}"

"""What the documentation says exists, exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from flexispd.cli.main import app
from flexispd.demo.knobs import shown_as, shown_knobs

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
IDS = [page.name for page in PAGES]


def shown_commands(text: str) -> Iterator[str]:
    """Everything that looks like a call of flexispd: in code blocks, and in `back quotes`."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (line.strip() for line in blocks.splitlines() if re.match(r"\s*\S*flexispd\s", line))
    yield from (code for code in re.findall(r"`([^`\n]+)`", prose) if code.startswith("flexispd "))


def resolved(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and the words that are left for it."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_that_are_shown_exist(page: Path) -> None:
    """
    Every `flexispd ...` in the documentation names a command and options that there are.
    """
    root = {option for parameter in typer.main.get_command(app).params for option in parameter.opts}
    for shown in shown_commands(page.read_text()):
        words = shlex.split(shown.split(" > ")[0].split(" ...")[0])[1:]
        while words and words[0] in root | {"-v"}:
            words = words[1:]
        command, rest = resolved(words)
        unknown = rest and hasattr(command, "commands") and not rest[0].startswith("-") and rest[0] != "COMMAND"
        assert not unknown, f"{shown}: no such command"
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        for word in rest:
            assert not word.startswith("--") or word in known, f"{shown}: no such option {word}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    """
    Relative links are files of the repository.
    """
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).is_file(), target


def test_every_command_is_in_the_overview() -> None:
    """
    docs/cli.md leaves no command out.
    """
    text = (REPOSITORY / "docs" / "cli.md").read_text()

    def leaves(command: Any, path: str) -> Iterator[str]:
        inner = getattr(command, "commands", {})
        for name, below in inner.items():
            yield from leaves(below, f"{path} {name}")
        if not inner:
            yield path

    for path in leaves(typer.main.get_command(app), "flexispd"):
        assert f"`{path}" in text, path


def test_the_two_commands_of_the_readme_are_in_the_makefile() -> None:
    """
    A new user needs these two, and continuous integration runs the second and nothing else.
    """
    makefile = (REPOSITORY / "Makefile").read_text()
    readme = (REPOSITORY / "README.md").read_text()
    script = (REPOSITORY / ".ci" / "run").read_text().splitlines()

    for target in ("demo", "test"):
        assert f"```sh\nmake {target}\n```" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert script[-1] == "make test"
    assert (REPOSITORY / ".ci" / "run").stat().st_mode & 0o111


def test_constraints_pin_everything_exactly() -> None:
    """
    What was tested can be installed again, and torch without a word about CUDA.
    """
    pins = [line for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if not line.startswith("#")]

    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    assert "torch==2.13.0" in pins


def test_every_knob_has_its_pictures() -> None:
    """
    `make knobs` draws them; a knob that is new wants to be seen.
    """
    page = (REPOSITORY / "docs" / "knobs.md").read_text()
    for knob in shown_knobs():
        assert shown_as(knob).values
        assert f"**`{knob.key}`** – {knob.doc}" in page
        assert f"](knobs/{knob.section}.{knob.key}.png)" in page

"""The `flexispd` command: its groups, its version, and the border where an error becomes text and an exit status."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from flexispd import __version__
from flexispd.cli import bench, demo, info, profile, render, train, weights
from flexispd.cli.output import DEBUG, print_error
from flexispd.errors import FlexispError

INTERRUPTED = 130
USAGE = 2

app = typer.Typer(
    name="flexispd",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help needs no second library and reads well in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("render")(render.render)
app.command("info")(info.info)
app.add_typer(profile.app, name="profile")
app.add_typer(weights.app, name="weights")
app.add_typer(train.app, name="train")
app.add_typer(bench.app, name="bench")
app.command("demo")(demo.demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flexispd {__version__}")
        raise typer.Exit


@app.callback()
def flexispd(
    version: Annotated[  # noqa: ARG001, typer calls _print_version
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print what is done, event by event, on stderr.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help=f"Print the traceback of an error too; ${DEBUG}=1 does the same.")
    ] = False,
) -> None:
    """
    Develop night raws through a three-stage neural image signal processor.

    A first picture: `flexispd render FILE --outbox FOLDER`. No raw at hand: `flexispd demo`.

    Exit codes: 0 done, 1 some capture failed, 2 the command line is wrong, 78 a profile or manifest is wrong.
    """
    if debug:
        os.environ[DEBUG] = "1"
    # By environment, so that nobody imports the logger who has nothing to log, and worker processes agree.
    os.environ.setdefault("FLEXISPD_LOG_LEVEL", "info" if verbose else "warning")


def main() -> None:
    """Entry point: the only place where an error of ours becomes text and an exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status. Prints everything there is to say."""
    try:
        code = app(arguments, prog_name="flexispd", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except FlexispError as error:
        print_error(error)
        return error.exit_code
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error of typer, whose class has moved between versions
            return _usage(error)
        print_error(error)
        return 1
    if code == INTERRUPTED:
        typer.echo("interrupted: finished pictures are whole, and nothing is left half-written", err=True)
    return code if isinstance(code, int) else 0


def _usage(error: Any) -> int:
    """Print what is wrong with a command line, and where its help is."""
    if type(error).__name__ == "NoArgsIsHelpError":  # no error to the user, who gets the help
        typer.echo(error.format_message())
        return USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "flexispd"
    message = error.format_message()
    ending = "" if message.endswith((".", "?")) else "."
    typer.echo(f"error: {message}{ending}\n  fix: `{path} --help` shows how it is used.", err=True)
    return USAGE

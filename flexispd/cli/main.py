"""The `flexispd` command: its groups, its version, and the border where an error becomes text and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from flexispd import __version__
from flexispd.cli import (
    bench,
    daemon,
    demo,
    doctor,
    explain,
    fit,
    info,
    init,
    listing,
    looks,
    profile,
    queue,
    render,
    reprocess,
    service,
    status,
    taking,
    train,
    verify,
    weights,
)
from flexispd.cli.output import DEBUG, error_json, print_error, print_json
from flexispd.errors import FlexispError

INTERRUPTED = 130
TERMINATED = 143
USAGE = 2

app = typer.Typer(
    name="flexispd",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help needs no second library and reads well in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("run")(daemon.run)
app.command("render")(render.render)
app.command("info")(info.info)
app.command("status")(status.status)
app.command("ls")(listing.ls)
app.command("explain")(explain.explain)
app.command("retry")(queue.retry)
app.command("pause")(queue.pause)
app.command("resume")(queue.resume)
app.command("submit")(queue.submit)
app.command("verify")(verify.verify)
app.command("reprocess")(reprocess.reprocess)
profile.app.command("preview")(looks.preview)
profile.app.command("compare")(looks.compare)
profile.app.command("import")(taking.import_)
profile.app.command("fit")(fit.fit)
app.add_typer(profile.app, name="profile")
app.add_typer(weights.app, name="weights")
app.add_typer(train.app, name="train")
app.add_typer(bench.app, name="bench")
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(service.app, name="service")


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

    Exit codes: 0 done, 1 some capture failed or something that all need is missing, such as weights, 2 the command line
    is wrong, 78 the configuration, a profile or a manifest is wrong, 130 interrupted, 143 terminated.
    """
    if debug:
        os.environ[DEBUG] = "1"
    # By environment, so that nobody imports the logger who has nothing to log, and worker processes agree.
    os.environ.setdefault("FLEXISPD_LOG_LEVEL", "info" if verbose else "warning")


def main() -> None:
    """Entry point: the only place where an error of ours becomes text and an exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    _open_standard_streams()
    sys.exit(run(sys.argv[1:]))


def _open_standard_streams() -> None:
    """Whoever starts us may have closed some. A picture must not get their numbers, because libraries print there."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            os.dup2(opened, number)
            os.set_inheritable(number, True)  # workers too
            if opened != number:
                os.close(opened)
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))


def _terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """SIGTERM cleans up as Ctrl-C does."""
    raise SystemExit(TERMINATED)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status. Prints everything there is to say."""
    as_json = "--json" in arguments
    try:
        _refuse_nothing(arguments)
        code = app(arguments, prog_name="flexispd", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):  # the latter where somebody was asked
        code = INTERRUPTED
    except SystemExit as stop:  # SIGTERM, or a reader of stdout that went away
        code = stop.code
    except OSError as error:
        printing = any(frame.name == "echo" for frame in traceback.extract_tb(error.__traceback__))
        return _no_output(error) if printing else _failure(error, as_json)
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error of typer, whose class has moved between versions
            return _usage(error, as_json)
        return _failure(error, as_json)
    if code in (INTERRUPTED, TERMINATED):
        typer.echo("interrupted: finished pictures are whole, and nothing is left half-written", err=True)
    return code if isinstance(code, int) else 0


def _refuse_nothing(arguments: list[str]) -> None:
    """An empty word is mostly a shell variable that was never set; as a path it would mean the current folder."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "" in arguments or any(word.startswith("--") and word.endswith("=") for word in options):
        raise typer.BadParameter("a value is empty")


def _failure(error: Exception, as_json: bool) -> int:
    """Say what ended a command before it had a result."""
    print_error(error)
    if as_json:
        print_json({"error": error_json(error)})
    return error.exit_code if isinstance(error, FlexispError) else 1


def _no_output(error: OSError) -> int:
    """Say that stdout takes no more, and let nobody try again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with suppress(OSError):
        reason = os.strerror(error.errno or 0)
        typer.echo(f"error: The output cannot be written: {reason}.\n  fix: Make room, or send it elsewhere.", err=True)
    return 1


def _usage(error: Any, as_json: bool) -> int:
    """Print what is wrong with a command line, and where its help is."""
    if type(error).__name__ == "NoArgsIsHelpError":  # no error to the user, who gets the help
        typer.echo(error.format_message())
        return USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "flexispd"
    message = error.format_message().replace("Value error, ", "")
    problem = message if message.endswith((".", "?")) else f"{message}."
    remedy = f"`{path} --help` shows how it is used."
    typer.echo(f"error: {problem}\n  fix: {remedy}", err=True)
    if as_json:
        print_json({"error": {"kind": "UsageError", "problem": problem, "remedy": remedy}})
    return USAGE

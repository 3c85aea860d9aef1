"""`flexispd render`: raw files in, finished pictures out."""

from __future__ import annotations

import dataclasses
import enum
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli.output import JsonOption, counted, error_json, print_error, print_json
from flexispd.errors import FlexispError, SetupError, TransientError, displayable

if TYPE_CHECKING:
    from flexispd.export.replace import Replacing
    from flexispd.pipeline import Result
    from flexispd.profile import Profile
    from flexispd.types import Capture

DEFAULT_PROFILE = "natural"


class Format(enum.StrEnum):
    """Kinds of file that can be written."""

    jpeg = "jpeg"
    png = "png"
    png16 = "png16"
    tiff16 = "tiff16"


class Device(enum.StrEnum):
    """Where the networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DeviceOption = Annotated[Device, typer.Option(help="Where the networks run; auto takes the GPU if there is one.")]


def render(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Raw files, PNG + JSON mosaics, or folders of them.")
    ],
    outbox: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures; made when it does not exist.")],
    profiles: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help=f"Look of the pictures, or a .toml file; give it again for more. Default: {DEFAULT_PROFILE}.",
        ),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="Write only this kind of file: as the profile says, or else a plain one."),
    ] = None,
    device: DeviceOption = Device.auto,
    as_json: JsonOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Render again what is already there. Files of others stay untouched.")
    ] = False,
) -> None:
    """
    Develop raws into finished pictures.

    Writes STEM.PROFILE.jpg and, beside it, the receipt STEM.PROFILE.json, which says what was done and with which
    inputs. Nothing is ever written into a folder that is read.

    Folders are searched with all their subfolders, but without hidden files, backups and unfinished uploads. A name
    that begins with a dash is given as ./-NAME, or after a lone --.

    One file that fails does not stop the others; the exit code is then 1. See `flexispd profile list` for looks and
    `flexispd info FILE` for what a raw says about itself.
    """
    from flexispd.profile import load_profile

    chosen = [with_format(load_profile(name), format_) for name in profiles or [DEFAULT_PROFILE]]
    _refuse_namesakes(chosen)
    summary = render_all(paths, chosen, outbox, device, overwrite=overwrite)
    if as_json:
        print_json(summary.as_json())
    else:
        typer.echo(summary.sentence(outbox))
    if summary.count("failed"):
        raise typer.Exit(1)


@dataclasses.dataclass(slots=True)
class Summary:
    """What became of every capture, in the order in which it happened."""

    started_s: float = dataclasses.field(default_factory=time.monotonic)
    captures: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    leftovers: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def refused(self, error: FlexispError) -> None:
        """Remember what was asked for and is no capture; its error names it."""
        self.captures.append({"input": None, "status": "failed", "error": _described(error)})

    def failed(self, path: Path, error: BaseException) -> None:
        """Remember a failure and tell the user at once."""
        self.captures.append({"input": path, "status": "failed", "error": _described(error, path)})

    def add(self, path: Path, results: Sequence[Result]) -> None:
        """Remember what came of a capture that could be read; one look may fail where another does not."""
        pictures = [_picture(path, result) for result in results]
        failed = any(picture["status"] == "failed" for picture in pictures)
        self.captures.append({"input": path, "status": "failed" if failed else "done", "pictures": pictures})

    def count(self, status: str) -> int:
        """Captures of this status."""
        return sum(capture["status"] == status for capture in self.captures)

    def sentence(self, outbox: Path) -> str:
        """One line for people."""
        pictures = [picture["status"] for capture in self.captures for picture in capture.get("pictures", ())]
        parts = ["no raw was found"]
        if self.captures:
            done, captures = counted(pictures.count("done"), "picture"), counted(len(self.captures), "capture")
            parts = [f"{done} of {captures} in {displayable(outbox)}"]
        if already := pictures.count("up to date"):
            parts.append(f"{already} there already")
        if self.leftovers:
            parts.append(f"{counted(len(self.leftovers), 'file')} seen and not used")
        if failed := self.count("failed"):
            parts.append(f"{counted(failed, 'capture')} failed")
        return ", ".join([*parts, f"{time.monotonic() - self.started_s:.1f} s"])

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        counts = {status: self.count(status) for status in ("done", "failed")}
        return {**counts, "captures": self.captures, "leftovers": self.leftovers}


def _picture(path: Path, result: Result) -> dict[str, Any]:
    """One look of one capture, ready for JSON."""
    if result.error:
        return {"profile": result.profile, "status": "failed", "error": _described(result.error, path)}
    status = "up to date" if result.up_to_date else "done"
    receipt = result.receipt
    warnings = list(receipt.warnings) if receipt else []
    return {"profile": result.profile, "status": status, "outputs": list(result.outputs), "warnings": warnings}


def _described(error: BaseException, path: Path | None = None) -> dict[str, str]:
    """An error, of the capture at `path`, for programs; people are told at once."""
    print_error(error, path)
    return error_json(error, path)


def with_format(profile: Profile, format_: Format | None) -> Profile:
    """The profile, writing only files of this kind: those that it has, or a plain one."""
    from flexispd.profile import ExportParams

    if format_ is None:
        return profile
    same = tuple(export for export in profile.export if export.format == format_.value)
    plain = ExportParams(format=format_.value, gps=all(export.gps for export in profile.export))
    return dataclasses.replace(profile, export=same or (plain,))


def render_all(
    paths: Sequence[Path], profiles: Sequence[Profile], outbox: Path, device: Device, *, overwrite: bool
) -> Summary:
    """
    Render every capture of `paths`, one failure at a time.

    Before anything is made, an outbox is refused that would put a picture into a folder that is read. SetupError is
    not caught: what every capture lacks stops them all.
    """
    from flexispd.capture.scan import find_captures
    from flexispd.export.names import output_stems

    findings = find_captures(paths)
    stems = output_stems([(found.capture, found.folder) for found in findings.captures])
    work = [(found.capture, outbox / stem) for found, stem in zip(findings.captures, stems, strict=True)]
    beside = dict.fromkeys([outbox, *(base.parent for _, base in work)])
    folders = dict.fromkeys(folder for place in beside for profile in profiles for folder in profile.folders(place))
    if (read := findings.first_read(folders)) is not None:  # a picture written there would be read the next time
        raise typer.BadParameter(
            f"pictures would be written into {displayable(read)}, which is read and never written to; "
            "name a folder elsewhere",
            param_hint="--outbox",
        )
    summary = Summary(leftovers=[{"path": left.path, "reason": left.reason.value} for left in findings.leftovers])
    for problem in findings.problems:
        summary.refused(problem)
    if not findings.captures:
        return summary
    from flexispd.develop.models import load_models
    from flexispd.export.names import output_name
    from flexispd.export.publish import remove_stale_temporaries
    from flexispd.log import configure, log
    from flexispd.pipeline import Order, process

    configure()
    replacing: Replacing = "always" if overwrite else "never"
    models = load_models(profiles, device.value)
    make_folder(outbox)
    for folder in folders:
        remove_stale_temporaries(folder, time.time())
    with _progress(work) as following:
        for capture, base in following:
            log.info("capture.started", capture=displayable(capture.raw))
            try:
                orders = [
                    Order(profile, base.with_name(output_name(base.name, profile.name, ""))) for profile in profiles
                ]
                summary.add(capture.raw, process(capture, orders, models, replacing=replacing))
            except SetupError:
                raise
            except Exception as error:  # a bug that one frame brings out must not cost the others
                summary.failed(capture.raw, error)
            status = summary.captures[-1]["status"]
            log.info("capture.finished", capture=displayable(capture.raw), status=status)
    return summary


@contextmanager
def _progress(work: Sequence[tuple[Capture, Path]]) -> Iterator[Iterable[tuple[Capture, Path]]]:
    """The captures and where they go, with a bar on a terminal that shows the name of the one in work."""
    if not sys.stderr.isatty() or len(work) < 2:
        yield work
        return

    def name(item: tuple[Capture, Path] | None) -> str:
        return displayable(item[0].raw.name)[-40:] if item else ""

    with typer.progressbar(work, show_pos=True, item_show_func=name, file=sys.stderr) as bar:
        yield bar


def _refuse_namesakes(profiles: Sequence[Profile]) -> None:
    """Two profiles of one name would write the same files."""
    names = [profile.name for profile in profiles]
    for name in names:
        if names.count(name) > 1:
            raise typer.BadParameter(f"{name} is given twice", param_hint="--profile")


def make_folder(folder: Path, option: str = "--outbox") -> None:
    """Make a folder that an option names, and what is missing above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise typer.BadParameter(
            f"{displayable(folder)} cannot be a folder, because a file is in the way", param_hint=option
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TransientError(
            f"The folder {displayable(folder)} cannot be made: {reason}.",
            remedy="Name a folder in which you may write.",
        ) from None

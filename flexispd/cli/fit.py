"""`flexispd profile fit`: a profile that makes these pictures of these raws."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli.looks import ForceOption, write
from flexispd.cli.output import JsonOption, counted, print_json
from flexispd.cli.profile_own import as_parent
from flexispd.cli.render import Device, DeviceOption
from flexispd.cli.taking import ProfileOutOption, profile_target
from flexispd.errors import displayable

if TYPE_CHECKING:
    from flexispd.fitting.pairs import Pair
    from flexispd.fitting.report import Nearness, Unexplained

DEFAULT_BASE = "neutral"


def fit(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Raws and the finished pictures of them, or folders of both.")
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="What the new profile is called.")],
    base: Annotated[
        str, typer.Option("--from", metavar="NAME", help="The look to start from, which the new profile extends.")
    ] = DEFAULT_BASE,
    out: ProfileOutOption = None,
    force: ForceOption = False,
    device: DeviceOption = Device.auto,
    as_json: JsonOption = False,
) -> None:
    """
    Find the knobs that come nearest to finished pictures: a camera's JPEGs, or what you made elsewhere.

    Pairs each raw with the picture of its name, DSC1.NEF with DSC1.jpg; a PNG counts as a picture. One profile is
    found for all pairs; it extends what it starts from, and sets only the knobs that are needed. Pictures may be
    smaller than the raw, cut a little, or corrected for the lens. Says how near the profile comes (CIEDE2000: 1 is just
    seen, 2 to 3 is near), and what it cannot explain.
    """
    from flexispd.develop.models import load_models
    from flexispd.fitting.pairs import laid_over, matched_files
    from flexispd.fitting.report import compared
    from flexispd.fitting.search import Search
    from flexispd.fitting.writing import fitted_text
    from flexispd.profile import load_profile, profile_name, profile_path, read_source

    chosen, start = profile_name(name), load_profile(base)
    target, parent = profile_target(chosen, out, [*paths, profile_path(base)], force=force), as_parent(base, start)
    read_source(fitted_text(start, start, parent, 1, (0, 0)).encode(), target)  # before the work, not after it
    files, unused = matched_files(paths)
    models = load_models([start], device.value)
    pairs = [laid_over(capture, picture, start, models) for capture, picture in files]
    profile, moved = Search(pairs, start, models, _quiet if as_json else _told).found()
    results = [compared(pair, [start, profile], models) for pair in pairs]
    before, after = ([result[0][i].ciede2000 for result in results] for i in (0, 1))
    means = (sum(before) / len(pairs), sum(after) / len(pairs))
    text = fitted_text(profile, start, parent, len(pairs), means).encode()
    read_source(text, target)
    write(text, target, force=force)
    knobs: dict[str, float | str] = {f"{axis.section}.{axis.key}": axis.of(profile) for axis in moved}
    if profile.white_balance.source != start.white_balance.source:
        knobs = {"white_balance.source": profile.white_balance.source, **knobs}
    if as_json:
        listed = [_as_json(pair, result) for pair, result in zip(pairs, results, strict=True)]
        print_json({"name": chosen, "file": target, "knobs": knobs, "pairs": listed, "unused": unused})
        return
    _print(pairs, results)
    if unused:
        typer.echo(f"{counted(len(unused), 'picture')} without a raw")
    typer.echo(f"knobs: {', '.join(f'{knob} = {value}' for knob, value in knobs.items()) or 'none is needed'}")
    typer.echo(f"{chosen} is in {displayable(target)}: CIEDE2000 {means[0]:.2f} before, {means[1]:.2f} now")


def _told(sentence: str) -> None:
    typer.echo(sentence, err=True)


def _quiet(sentence: str) -> None:
    """With --json nobody waits to be told."""


def _as_json(pair: Pair, result: tuple[list[Nearness], Unexplained]) -> dict[str, Any]:
    (before, after), left = result
    return {
        "raw": pair.raw,
        "picture": pair.picture,
        "correlation": round(pair.correlation, 3),
        "before": dataclasses.asdict(before),
        "after": dataclasses.asdict(after),
        "unexplained": dataclasses.asdict(left),
    }


def _print(pairs: Sequence[Pair], results: Sequence[tuple[list[Nearness], Unexplained]]) -> None:
    """A line for each pair, and what is left of it."""
    for pair, ((before, after), left) in zip(pairs, results, strict=True):
        names = f"{displayable(pair.raw.name)} as {displayable(pair.picture.name)}"
        change = f"CIEDE2000 {before.ciede2000:.2f} -> {after.ciede2000:.2f}"
        typer.echo(f"{names}: {change}, PSNR {before.psnr_db:.1f} -> {after.psnr_db:.1f} dB")
        for sentence in left.sentences():
            typer.echo(f"  left: {sentence}")

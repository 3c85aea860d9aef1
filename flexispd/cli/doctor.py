"""`flexispd doctor`: the pre-flight sheet."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from flexispd.cli.output import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from flexispd.doctor import Finding


def doctor(
    config: ConfigOption = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the device, whose driver takes seconds to answer.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Check everything that a night of captures depends on, before it begins.

    Configuration, inboxes, outbox and its room, state folder, limits, weights, clocks, suspend settings, device: each
    line is ok, warn or fail, with what to do about it. Changes nothing. Exit code 1 when something failed.
    """
    from flexispd.doctor import examine

    findings = []
    for finding in examine(config, quick=quick):
        findings.append(finding)
        if not as_json:
            _print(finding)
    failed = any(finding.verdict == "fail" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [dataclasses.asdict(finding) for finding in findings]})
    if failed:
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    typer.echo(f"{finding.verdict:<5} {finding.check:<14} {finding.text}")
    if finding.fix:
        typer.echo(f"{'':<20} fix: {finding.fix}")

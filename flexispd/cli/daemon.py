"""`flexispd run`: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    once: Annotated[bool, typer.Option("--once", help="Render what is there, then exit.")] = False,
    config_file: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration; made by `flexispd init`.")
    ] = None,
) -> None:
    """
    Watch the inboxes, and render every capture as it becomes complete.

    Stops on Ctrl-C or SIGTERM after the frame in flight, at once on the second; SIGHUP takes the configuration and the
    active profile anew. With --once it renders what the inboxes hold and exits, with 1 if something could not be done.

    Exit code 78: the configuration, the profile or the weights are not right, and starting again will not help.
    """
    from flexispd.config import load_config
    from flexispd.ledger import Ledger, profiles
    from flexispd.log import to_service
    from flexispd.presence import hold
    from flexispd.readiness import check_networks, set_profile
    from flexispd.signals import Signals
    from flexispd.supervisor import Supervisor

    config = load_config(config_file)
    lock = hold(config.state)
    ledger = Ledger.create(config.state)
    try:
        set_profile(ledger, config)
        active = profiles.active(ledger)
        assert active is not None  # set_profile has just seen to it
        check_networks(active.model)
        to_service(config.log, None)
        code = Supervisor(config, ledger, lock, Signals(), once=once).run()
    finally:
        ledger.close()
        lock.release()
    raise typer.Exit(code)

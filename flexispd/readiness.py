"""What has to be right before the daemon starts: a profile for new captures, and the networks that it needs."""

from __future__ import annotations

import os

from flexispd import weights
from flexispd.config import Config
from flexispd.errors import ConfigError, WeightsError
from flexispd.ledger import Ledger, profiles
from flexispd.profile import Profile, is_path, load_with_text

_CONFIGURED = "profile_of_config"
_CHOSEN = "profile_chosen"
"""What was asked for: a name, or the absolute path of a file."""


def set_profile(ledger: Ledger, config: Config, *, again: bool = False) -> None:
    """
    Make the configuration's profile the active one if the ledger has none yet, or the configuration names another.

    `again` reads the file of the active profile anew. ConfigError when a profile or its networks are not right.
    """
    active = profiles.active(ledger)
    if active is None or ledger.setting(_CONFIGURED) != config.profile:
        name = config.profile
    elif again:
        name = ledger.setting(_CHOSEN, active.name)
    else:
        return
    profile, text = load_with_text(name)
    check_networks(profile.model)
    choose_profile(ledger, config, name, profile, text)


def choose_profile(ledger: Ledger, config: Config, name: str, profile: Profile, text: str) -> None:
    """
    Make a profile the active one until another is chosen, or until the configuration names another than now.

    `name` is what it was asked for by; under it the daemon finds it again when it is told to reload.
    """
    with ledger.writing():
        profiles.set_active(ledger, profile, text)
        ledger.set_setting(_CHOSEN, os.path.abspath(name) if is_path(name) else name)  # noqa: PTH100  (links stay)
        ledger.set_setting(_CONFIGURED, config.profile)


def check_networks(model: str) -> None:
    """ConfigError when a model set is missing, or a file of it is not the one that its manifest names."""
    try:
        for entry in weights.model_set(model).entries:
            weights.verify(entry)
    except WeightsError as error:
        raise ConfigError(error.problem, remedy=error.remedy) from error

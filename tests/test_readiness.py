"""Which look new captures get, and what refuses to start."""

from pathlib import Path

import pytest

from flexispd import weights
from flexispd.config import Config, parse_config
from flexispd.errors import ConfigError
from flexispd.ledger import Ledger, profiles
from flexispd.profile import Profile, load_with_text
from flexispd.readiness import check_networks, choose_profile, set_profile


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger.create(tmp_path / "state")
    yield ledger
    ledger.close()


def configured(folder: Path, profile: str) -> Config:
    text = f'inbox = "{folder}/in"\noutbox = "{folder}/out"\nstate = "{folder}/state"\nprofile = "{profile}"\n'
    return parse_config(text, folder / "config.toml")


def active(ledger: Ledger) -> Profile:
    found = profiles.active(ledger)
    assert found is not None
    return found


def test_a_new_ledger_takes_the_look_of_the_configuration(ledger, tmp_path):
    """
    In any spelling.
    """
    set_profile(ledger, configured(tmp_path, "Vivid Night"))

    assert active(ledger).name == "vivid-night"


def test_what_was_chosen_later_outlives_a_restart(ledger, tmp_path):
    """
    The configuration counts again only when it names another profile than before.
    """
    config = configured(tmp_path, "natural")
    set_profile(ledger, config)
    choose_profile(ledger, config, "neutral", *load_with_text("neutral"))
    set_profile(ledger, config)
    assert active(ledger).name == "neutral"

    set_profile(ledger, configured(tmp_path, "vivid-night"))
    assert active(ledger).name == "vivid-night"


def test_a_file_that_was_chosen_is_read_anew_where_it_lies(ledger, tmp_path):
    """
    A reload takes its new content; one that is broken meanwhile is refused, and the old one stays.
    """
    config = configured(tmp_path, "natural")
    mine = tmp_path / "mine.toml"
    mine.write_text("[render]\ncontrast = 1.2\n")
    choose_profile(ledger, config, str(mine), *load_with_text(str(mine)))
    mine.write_text("[render]\ncontrast = 1.4\n")

    set_profile(ledger, config)
    assert active(ledger).render.contrast == 1.2
    set_profile(ledger, config, again=True)
    assert active(ledger).render.contrast == 1.4

    mine.write_text("[render]\ncontrast = lots\n")
    with pytest.raises(ConfigError, match="line 2"):
        set_profile(ledger, config, again=True)
    assert active(ledger).render.contrast == 1.4


def test_altered_networks_refuse_to_start(tmp_path, monkeypatch):
    """
    As an error of the configuration, because starting again will not help.
    """
    (tmp_path / "denoise.safetensors").write_bytes(b"altered")
    entry = weights.WeightEntry
    (shipped,) = (e for e in weights.model_set(weights.SHIPPED).entries if e.stage == "denoise")
    altered = entry(**{**{name: getattr(shipped, name) for name in shipped.__slots__}, "folder": tmp_path})
    monkeypatch.setattr(weights, "model_set", lambda name: weights.ModelSet(name, (altered,)))

    with pytest.raises(ConfigError):
        check_networks(weights.SHIPPED)

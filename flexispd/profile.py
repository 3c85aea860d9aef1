"""
Profiles: the looks a picture can have, each one TOML file.

Every knob is declared once, in profile_params.py, with its default, its range and one line of explanation; reading a
profile (profile_text.py), finding the files that one builds on (profile_files.py), `flexispd profile show`, `flexispd
profile check` and docs/profiles.md all work from these declarations. What the rest of the program needs of profiles is
imported from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flexispd import toml_reference
from flexispd.profile_files import Source as Source
from flexispd.profile_files import is_path as is_path
from flexispd.profile_files import list_profiles as list_profiles
from flexispd.profile_files import load_profile as load_profile
from flexispd.profile_files import load_source as load_source
from flexispd.profile_files import load_with_text as load_with_text
from flexispd.profile_files import profile_files as profile_files
from flexispd.profile_files import profile_path as profile_path
from flexispd.profile_files import read_source as read_source
from flexispd.profile_files import shipped_files as shipped_files
from flexispd.profile_files import user_profiles as user_profiles
from flexispd.profile_params import MIX_MIN as MIX_MIN
from flexispd.profile_params import SUFFIXES as SUFFIXES
from flexispd.profile_params import CropParams as CropParams
from flexispd.profile_params import DenoiseParams as DenoiseParams
from flexispd.profile_params import ExportParams as ExportParams
from flexispd.profile_params import GrainParams as GrainParams
from flexispd.profile_params import HueLightnessParams as HueLightnessParams
from flexispd.profile_params import HueSaturationParams as HueSaturationParams
from flexispd.profile_params import HueShiftParams as HueShiftParams
from flexispd.profile_params import LutParams as LutParams
from flexispd.profile_params import MonochromeParams as MonochromeParams
from flexispd.profile_params import RenderParams as RenderParams
from flexispd.profile_params import RuleParams as RuleParams
from flexispd.profile_params import SharpeningParams as SharpeningParams
from flexispd.profile_params import SkyParams as SkyParams
from flexispd.profile_params import SplitToningParams as SplitToningParams
from flexispd.profile_params import TopParams as TopParams
from flexispd.profile_params import WhiteBalanceParams as WhiteBalanceParams
from flexispd.profile_text import NAME_LENGTH_MAX as NAME_LENGTH_MAX
from flexispd.profile_text import SECTIONS
from flexispd.profile_text import Profile as Profile
from flexispd.profile_text import Rule as Rule
from flexispd.profile_text import RuleReport as RuleReport
from flexispd.profile_text import explained_text as explained_text
from flexispd.profile_text import parse_profile as parse_profile
from flexispd.profile_text import profile_name as profile_name
from flexispd.profile_text import starter_text as starter_text
from flexispd.profile_text import whole_text as whole_text
from flexispd.toml_reference import Knob as Knob
from flexispd.toml_reference import as_toml as as_toml

_RECORDS: dict[str, type[Any]] = {"": TopParams, **SECTIONS, "export": ExportParams}


def knobs() -> Iterator[Knob]:
    """Everything that a profile holds a value of, in the order of the light."""
    return (knob for knob in toml_reference.knobs(_RECORDS) if knob.key != "extends")


def reference() -> str:
    """The tables of docs/profiles.md: everything that a file can set."""
    headings = {"": "Top of the file", "export": "`[[export]]`", "rule": "`[[rule]]`"}
    return toml_reference.tables({**_RECORDS, "rule": RuleParams}, headings)

"""
What a frame that is only looked at small has to keep of the large one: the light that it was taken in.

Where several lights meet, their shares change with every reduction, and with them the answer. So the light is found on
the frame as it is, and a profile that asks for it is told. Noise is not removed for that: averages are looked at.
"""

from __future__ import annotations

import dataclasses

from flexispd.develop.models import Models
from flexispd.develop.upload import upload
from flexispd.develop.white_balance import TINT_DUV, estimate, white_balance
from flexispd.profile import Profile, WhiteBalanceParams
from flexispd.types import Illuminant, Mosaic


def found_light(mosaic: Mosaic, model: str, models: Models) -> Illuminant | None:
    """The light of a frame as the model set's network finds it; None for the official ones, which say nothing of it."""
    if model in models.official:
        return None
    network = models.networks(model, models.device).light
    planes = upload(mosaic, models.device).planes
    return white_balance(estimate(planes, mosaic.shot, network), WhiteBalanceParams(), mosaic.shot)


def under_light(profile: Profile, light: Illuminant | None) -> Profile:
    """The profile, told the light if it is one that looks for it."""
    balance = profile.white_balance
    if light is None or balance.source != "auto":
        return profile
    told = dataclasses.replace(balance, source="kelvin", kelvin=light.cct_k, tint=light.duv / TINT_DUV)
    return dataclasses.replace(profile, white_balance=told)

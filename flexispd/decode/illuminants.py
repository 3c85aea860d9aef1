"""Light sources by their EXIF code, as colour temperatures: what a calibration illuminant tag means."""

from __future__ import annotations

STANDARD_A_K = 2856.0
D65_K = 6504.0

ILLUMINANT_CCT_K = {
    1: 5500.0,  # daylight
    2: 4200.0,  # fluorescent
    3: 2850.0,  # tungsten
    4: 5500.0,  # flash
    9: 5500.0,  # fine weather
    10: 6500.0,  # cloudy
    11: 7500.0,  # shade
    12: 6400.0,  # daylight fluorescent (D)
    13: 5050.0,  # day white fluorescent (N)
    14: 4150.0,  # cool white fluorescent (W)
    15: 3450.0,  # white fluorescent (WW)
    16: 2900.0,  # warm white fluorescent (L)
    17: STANDARD_A_K,
    18: 4874.0,  # standard light B
    19: 6774.0,  # standard light C
    20: 5503.0,  # D55
    21: D65_K,
    22: 7504.0,  # D75
    23: 5003.0,  # D50
    24: 3200.0,  # ISO studio tungsten
}
"""EXIF LightSource code -> kelvin. Ranges of EXIF 2.32's fluorescent lamps at their middle."""

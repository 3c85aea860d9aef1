"""
docs/benchmarks.md: a section for each benchmark, replaced when it was run again, left alone when it was not.

What a section says about its method stands here, what was measured comes from the results. A section that was never
run says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flexispd.bench.result import BenchResult

TITLE = "# Benchmarks"

INTRODUCTION = """\
What the networks and looks are worth, beside what else one could use. The rows of a table were measured in one run on
one machine. The tables are made by the program itself, and so is this page:

```sh
flexispd bench all --pictures KODAK --cameras ELD.json --photos PHOTOS --spectra SPECTRA.npz --raws RAWS \
--out docs/benchmarks.md
```

runs everything whose folder is given and replaces those sections; `--only demosaic` runs one. Each benchmark is a
command of its own too, with `--json`; `flexispd bench --help` lists them. S is the shipped set `flexispd-s`, L would
be a larger one for GPUs and has rows where it is installed. Seconds per megapixel (s_per_mp) depend on the machine
and on what else it does.\
"""

SECTIONS = {
    "demosaic": (
        "Demosaicking",
        """\
Pictures are sampled through an RGGB pattern in 8 bits and put together again. cPSNR is the PSNR over the three
channels together without a border of 10 pixels; its mean and its worst over the pictures are given, and SSIM's mean.
gmac_per_mp counts the multiplications per megapixel of those methods that torch runs.""",
    ),
    "denoise": (
        "Denoising, four levels",
        """\
Pictures become linear mosaics of a camera, a quarter as bright as the sensor can hold, with the Poisson and Gaussian
noise of a large sensor at four ISO; the PSNR is that of the packed planes. The network is told the noise, or finds it
in the frame, or is told wrong. Non-local means (OpenCV) and BM3D see variance-stabilised planes and know the noise;
LibRaw's FBDD reads the frame from a DNG file, with the true white balance.""",
    ),
    "denoise-cameras": (
        "Denoising, real cameras",
        """\
The same with the noise of cameras that the ELD project calibrated: photons, read noise, and row noise, which no
profile tells. Their calibration ends at ISO 6400; beyond it the same lines are followed.""",
    ),
    "white-balance": (
        "White balance",
        """\
Photographs and cameras that no network was trained on, lit by measured lamps; how far each method's neutral is from the
true one, as an angle in camera RGB in degrees. "as-shot" is a camera's setting that is 4 degrees off on average, "mix"
all that stage 2 hears without it. "camera unknown" means that the file brings no colour matrix. "all" is by day and by
night. No photograph shows a light of its own, but for "every kept photograph": there lamps, stars and low suns are lit
anew, and nobody can say which light is meant. "known photographs" are those that the network was trained on, under new
lights and seen by the kept cameras.""",
    ),
    "night": (
        "Night, from raw to picture",
        """\
Finished photographs are taken for scenes. A measured light falls on each, a real sensor sees it 0 to 3 EV
underexposed with the noise of a large sensor, and a DNG file with the camera's matrices, white balance and noise
profile is written. Each program develops it with its own defaults; the figures are against the photograph.
psnr_matched_db is the PSNR after the one gain in linear light that suits a picture best, so it leaves exposure aside.
s is seconds for each picture; for RawTherapee and darktable it includes their start.""",
    ),
    "speed": (
        "Speed",
        """\
From a raw file to a JPEG on the disk, in a process that has its networks loaded. Frames of 12 and 24 megapixels are
repetitions of the largest raw.""",
    ),
    "looks": (
        "Two looks of one frame",
        """\
From a raw file to two JPEGs. Denoising runs once unless a profile asks for more than all of it to be taken,
demosaicking once where the two agree on the light. alone_s is the profile without natural. Local knobs, such as sky and
clarity, take longer than global ones.""",
    ),
}
"""Benchmark -> heading and method, in the order of the document."""

NOT_RUN = "Not measured yet."

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def updated(text: str, results: Sequence[BenchResult]) -> str:
    """The document with the sections of `results` replaced; an empty `text` gives a new one."""
    measured = measured_parts(text) | {result.bench: result.as_markdown() for result in results}
    parts = [TITLE, INTRODUCTION]
    for bench, (heading, method) in SECTIONS.items():
        parts += [f"## {heading}", method, measured.get(bench, NOT_RUN)]
    return "\n\n".join(parts) + "\n"


def measured_parts(text: str) -> dict[str, str]:
    """What a document says was measured: benchmark -> machine, table and notes of its section."""
    pieces = _HEADING.split(text)
    sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    found = {}
    for bench, (heading, _) in SECTIONS.items():
        _, begin, rest = sections.get(heading, "").partition("\nOn ")
        if begin:
            found[bench] = (begin + rest).strip()
    return found

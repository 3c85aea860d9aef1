"""The promises that a network's class attributes make about size and reach."""

import threading

import pytest
import torch

from flexispd.develop import models
from flexispd.develop.demosaic import demosaic
from flexispd.develop.denoise import denoise
from flexispd.develop.networks.architectures import build
from flexispd.develop.networks.demosaic_unet import DemosaicUNet, DemosaicUNetL, malvar_kernel
from flexispd.develop.networks.denoise_unet import DenoiseUNet, DenoiseUNetL
from flexispd.develop.networks.loader import load_into
from flexispd.develop.tiling import Tiling, at_once, in_pixels, tiles
from flexispd.training.demosaic import mosaic_planes
from flexispd.types import NoiseProfile
from flexispd.weights import model_set

CPU = torch.device("cpu")
NOISE = NoiseProfile((1e-3,) * 4, (1e-6,) * 4, "given")
PRECISIONS = pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])


def reach(network, run, where):
    """How far from one changed sample the output changes at all, in packed samples."""
    torch.manual_seed(0)
    planes = torch.rand(1, 4, 160, 160)
    changed = planes.clone()
    changed[..., where, where] += 10
    with torch.inference_mode():
        difference = (run(network, planes) - run(network, changed)).abs().sum(dim=1)[0]
    scale = difference.shape[0] // 160
    rows, columns = difference.nonzero().div(scale, rounding_mode="floor").sub(where).unbind(1)
    return int(torch.maximum(rows.abs().max(), columns.abs().max()))


def run_denoise(network, planes):
    return network(planes, torch.full((1, 4, 1, 1), 0.1))


def run_demosaic(network, planes):
    return network(planes)


@pytest.mark.parametrize(
    ("kind", "run"),
    [
        (DenoiseUNet, run_denoise),
        (DenoiseUNetL, run_denoise),
        (DemosaicUNet, run_demosaic),
        (DemosaicUNetL, run_demosaic),
    ],
)
def test_no_output_sees_further_than_the_margin(kind, run):
    """
    The margin of a tile is the receptive radius, measured, rounded up to the grid; and it is not wasteful either.
    """
    torch.manual_seed(1)
    network = kind().eval()

    radius = max(reach(network, run, 80 + offset) for offset in range(network.pad_multiple))

    assert radius <= network.margin
    assert radius > network.margin - 2 * network.pad_multiple
    assert network.margin % network.pad_multiple == 0


@pytest.mark.parametrize("edge", [32, 48, 100])
@pytest.mark.parametrize("reach", [0, 3])
def test_tiles_cover_a_frame_exactly_once(edge, reach):
    """
    Every sample of a frame lies in one tile, with as much around it as is asked for, and where the tile says.
    """
    frame = torch.arange(92 * 132).view(92, 132)
    seen = torch.zeros_like(frame)
    for tile in tiles((92, 132), edge, DenoiseUNet, reach):
        seen[tile.inside] += 1
        rows, columns = tile.inside
        assert set(frame[tile.wide].flatten().tolist()) >= set(
            frame[max(0, rows.start - reach) : rows.stop + reach, max(0, columns.start - reach) : columns.stop + reach]
            .flatten()
            .tolist()
        )
        assert torch.equal(frame[tile.around][tile.core], frame[tile.wide])
        assert tile.around[0].start % DenoiseUNet.pad_multiple == tile.around[1].start % DenoiseUNet.pad_multiple == 0

    assert (seen == 1).all()


def in_two_threads(items, work):
    """`at_once` on a processor of two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return at_once(items, work, CPU), torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def test_parts_of_a_frame_are_worked_on_at_once_and_come_back_in_order():
    """
    Each thread computes with one core of its own, without gradients, and afterwards there are as many as before.
    """

    def work(item):
        return item, torch.get_num_threads(), torch.is_inference_mode_enabled(), threading.get_ident()

    results, threads = in_two_threads(range(9), work)

    assert [result[0] for result in results] == list(range(9))
    assert {result[1:3] for result in results} == {(1, True)}
    assert threading.get_ident() not in {result[3] for result in results}
    assert threads == 2


def test_what_fails_in_one_part_fails_the_frame():
    """
    As it would in a loop: the error of the first part that failed.
    """

    def work(item):
        if item >= 3:
            raise RuntimeError(f"part {item}")

    with pytest.raises(RuntimeError, match="part 3"):
        in_two_threads(range(9), work)


def test_a_thread_that_cannot_be_started_ends_the_frame_and_not_the_program(monkeypatch):
    """
    The threads that wait for it are let go, and torch has its number of threads again.
    """
    started = []

    def start(thread, real=threading.Thread.start):
        started.append(thread)
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    with pytest.raises(RuntimeError, match="start new thread"):
        in_two_threads(range(9), lambda item: item)


def test_a_frame_that_is_one_tile_needs_no_threads():
    """
    Torch shares out each operation instead.
    """
    results, _ = in_two_threads(range(2), lambda _: (torch.get_num_threads(), threading.get_ident()))

    assert results == [(2, threading.get_ident())] * 2


@PRECISIONS
def test_denoising_in_tiles_is_denoising_the_whole(precision):
    """
    The shipped promise is the same 8 bits; what is measured is far below a tenth of one of them.
    """
    torch.manual_seed(2)
    planes, network = torch.rand(4, 144, 200), DenoiseUNet().eval().to(precision)

    with torch.inference_mode():
        whole = denoise(planes, NOISE, 1.0, network, Tiling(CPU, 4096))
        tiled = denoise(planes, NOISE, 1.0, network, Tiling(CPU, 64))

    assert (whole - tiled).abs().max() < 2e-5


@PRECISIONS
def test_demosaicking_in_tiles_is_demosaicking_the_whole(precision):
    """As for denoising; the frame's own border is inside a tile here and at its edge there."""
    torch.manual_seed(3)
    planes, network = torch.rand(4, 96, 160), DemosaicUNet().eval().to(precision)

    def run(edge):
        out = torch.zeros(3, 192, 320)
        with torch.inference_mode():
            for tile in tiles((96, 160), edge, network):
                rgb = demosaic(lambda part: planes[(slice(None), *part)], tile, network)
                out[(slice(None), *in_pixels(tile.inside))] = rgb
        return out

    assert (run(4096) - run(40)).abs().max() < 2e-5


def test_less_precision_is_for_corrections_only():
    """
    With nothing to correct, a network in bfloat16 gives back to the last bit what it would in float32.
    """
    torch.manual_seed(4)
    planes, deviation = torch.rand(1, 4, 32, 48), torch.full((1, 4, 1, 1), 0.1)
    demosaic_unet, denoise_unet = DemosaicUNet(), DenoiseUNet()
    for network in (demosaic_unet, denoise_unet):
        for values in network.tail.parameters():
            torch.nn.init.zeros_(values)

    with torch.inference_mode():
        exact = demosaic_unet(planes)
        demosaicked = demosaic_unet.to(torch.bfloat16)(planes)
        denoised = denoise_unet.to(torch.bfloat16)(planes, deviation)

    assert torch.equal(demosaicked, exact)
    assert torch.equal(denoised, planes)


@pytest.mark.parametrize(
    ("device", "flags", "precision"),
    [
        ("cpu", {"avx512f", "avx512_bf16"}, torch.bfloat16),
        ("cpu", {"avx512f", "amx_bf16"}, torch.bfloat16),
        ("cpu", {"avx2", "avx512f"}, torch.float32),
        ("cpu", set(), torch.float32),
        ("cuda", {"avx512_bf16"}, torch.float32),
    ],
)
def test_bfloat16_is_for_processors_that_are_made_for_it(monkeypatch, device, flags, precision):
    """
    Others would take longer than with float32, and a GPU is fast enough.
    """
    monkeypatch.setattr(models, "processor_flags", lambda: frozenset(flags))

    assert models.pixel_precision(torch.device(device)) == precision


@pytest.mark.parametrize("stage", ["denoise", "demosaic"])
def test_a_correction_in_bfloat16_is_the_same_to_the_eye(stage):
    """
    The shipped networks on a picture with edges and noise: apart by a fifth of a step of 8 bits, nowhere by two steps.
    """
    entry = model_set("flexispd-s").entry(stage)
    network = build(entry.architecture)
    load_into(network, entry)
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    planes = (0.5 + 0.3 * torch.sign(torch.sin(rows / 7) * torch.sin(columns / 5))).expand(1, 4, -1, -1)
    planes = planes + 0.03 * torch.randn(1, 4, 96, 96, generator=torch.Generator().manual_seed(5))
    inputs = (planes,) if stage == "demosaic" else (planes, torch.full((1, 4, 1, 1), 0.03))

    with torch.inference_mode():
        exact = network(*inputs)
        near = network.to(torch.bfloat16)(*inputs)

    assert near.dtype == torch.float32
    assert (near - exact).abs().mean() < 0.2 / 255
    assert (near - exact).abs().max() < 2 / 255


def test_malvar_keeps_what_a_site_has_measured():
    """
    The linear base gives every measured value back unchanged, and a grey ramp is put together exactly.
    """
    ramp = torch.linspace(0.1, 0.9, 32)[None, None, None, :].expand(1, 3, 32, 32)
    network = DemosaicUNet()
    base = torch.pixel_shuffle(network.base(mosaic_planes(ramp)), 2)

    assert torch.allclose(malvar_kernel().sum(dim=(1, 2, 3)), torch.ones(12))
    assert torch.allclose(base[..., 4:-4, 4:-4], ramp[..., 4:-4, 4:-4], atol=1e-5)
    assert torch.equal(mosaic_planes(base), mosaic_planes(ramp))

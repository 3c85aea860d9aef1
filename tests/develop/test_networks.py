"""The promises that a network's class attributes make about size and reach."""

import pytest
import torch

from flexispd.develop.demosaic import demosaic
from flexispd.develop.denoise import denoise
from flexispd.develop.networks.demosaic_unet import DemosaicUNet, DemosaicUNetL, malvar_kernel
from flexispd.develop.networks.denoise_unet import DenoiseUNet, DenoiseUNetL
from flexispd.develop.tiling import Tiling, tiles
from flexispd.training.demosaic import mosaic_planes
from flexispd.types import NoiseProfile

CPU = torch.device("cpu")
NOISE = NoiseProfile((1e-3,) * 4, (1e-6,) * 4, "given")


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
def test_tiles_cover_a_frame_exactly_once(edge):
    """
    Every sample of a frame lies in one tile, and inside that tile's surroundings where the tile says.
    """
    seen = torch.zeros(92, 132)
    for tile in tiles((92, 132), edge, DenoiseUNet):
        seen[tile.inside] += 1
        around = torch.zeros_like(seen)
        around[tile.around] = 1
        assert around[tile.inside].all()
        assert seen[tile.around][tile.core].shape == seen[tile.inside].shape

    assert (seen == 1).all()


def test_denoising_in_tiles_is_denoising_the_whole():
    """
    The shipped promise is the same 8 bits; what is measured is far below a tenth of one of them.
    """
    torch.manual_seed(2)
    planes, network = torch.rand(4, 144, 200), DenoiseUNet().eval()

    with torch.inference_mode():
        whole = denoise(planes, NOISE, 1.0, network, Tiling(CPU, 4096))
        tiled = denoise(planes, NOISE, 1.0, network, Tiling(CPU, 64))

    assert (whole - tiled).abs().max() < 2e-5


def test_demosaicking_in_tiles_is_demosaicking_the_whole():
    """As for denoising; the frame's own border is inside a tile here and at its edge there."""
    torch.manual_seed(3)
    planes, network = torch.rand(4, 96, 160), DemosaicUNet().eval()

    def run(edge):
        out = torch.zeros(3, 192, 320)
        with torch.inference_mode():
            for tile, rgb in demosaic(lambda part: planes[(slice(None), *part)], (96, 160), network, Tiling(CPU, edge)):
                rows, columns = (slice(2 * s.start, 2 * s.stop) for s in tile.inside)
                out[:, rows, columns] = rgb
        return out

    assert (run(4096) - run(40)).abs().max() < 2e-5


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

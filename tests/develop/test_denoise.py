"""Stage 1's strengths: what is taken away, and what is kept."""

import pytest
import torch

from flexispd.develop.denoise import denoise, fine_noise, network_level, remove_noise
from flexispd.develop.networks.denoise_unet import DenoiseUNet
from flexispd.develop.tiling import Tiling
from flexispd.profile import DenoiseParams
from flexispd.types import NoiseProfile

GAINS = torch.tensor([2.0, 1.0, 1.0, 1.5])
CPU = torch.device("cpu")


def planes():
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(4, 16, 16, generator=generator)
    return clean + 0.1 * torch.randn(4, 16, 16, generator=generator), clean


def test_strength_zero_returns_the_input_exactly():
    """
    A profile that keeps all noise gets the very values that came in, and no network is asked.
    """
    noisy, clean = planes()

    class Never(DenoiseUNet):
        def forward(self, *_):
            raise AssertionError("the network was asked")

    assert network_level(DenoiseParams(0.0, 0.0)) == 0
    assert remove_noise(noisy, clean, DenoiseParams(0.0, 0.0), GAINS) is noisy
    assert denoise(noisy, NoiseProfile((1e-3,) * 4, (1e-6,) * 4, "given"), 0.0, Never(), Tiling.on(CPU)) is noisy


def test_strength_one_returns_what_the_network_saw():
    """
    Nothing is blended back in.
    """
    noisy, clean = planes()

    assert remove_noise(noisy, clean, DenoiseParams(1.0, 1.0), GAINS) is clean


def test_grain_that_is_kept_is_grey():
    """
    With all colour noise removed, what remains is the same in red, green and blue after white balance.
    """
    noisy, clean = planes()

    kept = (remove_noise(noisy, clean, DenoiseParams(0.4, 1.0), GAINS) - clean) * GAINS[:, None, None]

    assert kept.abs().max() > 0.01
    assert torch.allclose(kept, kept.mean(dim=0, keepdim=True).expand_as(kept), atol=1e-6)


def test_colour_that_is_kept_is_not_grey():
    """
    With all grey noise removed, the white balanced mean of each cell is the clean one.
    """
    noisy, clean = planes()

    kept = (remove_noise(noisy, clean, DenoiseParams(1.0, 0.3), GAINS) - clean) * GAINS[:, None, None]

    assert kept.abs().max() > 0.01
    assert torch.allclose(kept.mean(dim=0), torch.zeros(16, 16), atol=1e-6)


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.9])
def test_less_strength_keeps_more_noise(strength):
    """
    What is left of the noise is one minus the strength.
    """
    noisy, clean = planes()

    left = remove_noise(noisy, clean, DenoiseParams(strength, strength), GAINS) - clean

    assert torch.allclose(left, (1 - strength) * (noisy - clean), atol=1e-6)


def test_more_of_one_kind_of_denoising_never_brings_the_other_noise_back():
    """
    Asking for more colour denoising than the network's own leaves the grey noise where it was, and the reverse.
    """
    noisy, clean = planes()

    for one, other in (((0.85, 1.0), (0.85, 1.5)), ((1.0, 0.7), (1.5, 0.7))):
        fewer, more = (remove_noise(noisy, clean, DenoiseParams(*p), GAINS) - clean for p in (one, other))
        assert more.square().mean() <= fewer.square().mean() + 1e-9


def test_strength_above_one_tells_the_network_of_more_noise():
    """
    It is not extrapolated: the network is asked anew, and its answer is taken whole.
    """
    told = []

    class Network(DenoiseUNet):
        def forward(self, stable, deviation):
            told.append(deviation.flatten()[1].item())
            return stable

    noisy, clean = planes()
    noise = NoiseProfile((1e-3,) * 4, (1e-6,) * 4, "given")
    for level in (1.0, network_level(DenoiseParams(1.5, 1.0))):
        out = denoise(noisy, noise, level, Network(), Tiling.on(CPU))
        assert torch.allclose(out, noisy.clamp_min(-1e-3), atol=1e-3)

    assert told[1] / told[0] == pytest.approx(1.5, rel=0.05)
    assert remove_noise(noisy, clean, DenoiseParams(1.5, 1.5), GAINS) is clean


def blotched():
    """Noise that is fine and coarse, grey and coloured, over a flat frame: noisy and clean planes, (4, 96, 96)."""
    generator = torch.Generator().manual_seed(3)
    clean = torch.full((4, 96, 96), 0.2)
    fine = torch.randn(4, 96, 96, generator=generator)
    coarse = torch.randn(1, 1, 6, 6, generator=generator)
    blotches = torch.nn.functional.interpolate(coarse, size=(96, 96), mode="bicubic")[0]
    return clean + 0.02 * (fine + blotches) / GAINS[:, None, None], clean


def test_grain_that_is_given_back_is_fine_and_grey():
    """
    No colour and no blotches come back: alike in all channels after white balance, and without mean over 16 samples.
    """
    noisy, clean = blotched()
    grain = fine_noise(noisy, clean, GAINS)

    back = (remove_noise(noisy, clean, DenoiseParams(keep_grain=1.0), GAINS, grain) - clean) * GAINS[:, None, None]

    assert torch.allclose(back, back[:1].expand_as(back), atol=1e-6)
    assert back[0].std() == pytest.approx(0.01, rel=0.1)  # the mean of four sites has half of a site's deviation
    assert torch.nn.functional.avg_pool2d(back[:1], 16).std() < 6e-4


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_grain_is_given_back_by_its_share_of_what_was_taken(share):
    """
    Half of the knob gives half of the grain, and a profile that took half of the noise gives half of it back.
    """
    noisy, clean = blotched()
    grain = fine_noise(noisy, clean, GAINS)

    def given(luminance, keep_grain):
        without = remove_noise(noisy, clean, DenoiseParams(luminance, 1.0), GAINS)
        return remove_noise(noisy, clean, DenoiseParams(luminance, 1.0, keep_grain), GAINS, grain) - without

    assert torch.allclose(given(1.0, share), share * given(1.0, 1.0), atol=1e-6)
    assert torch.allclose(given(share, 1.0), share * given(1.0, 1.0), atol=1e-6)


def test_no_grain_given_back_is_the_picture_without():
    """
    At rest the knob changes no bit.
    """
    noisy, clean = planes()

    assert remove_noise(noisy, clean, DenoiseParams(keep_grain=0.0), GAINS) is clean

"""Local light: laid over the frame and not over the tile, without corners, halos or tones that change places."""

import torch

from flexispd.develop.local_light import (
    LOCAL_EV_MAX,
    PLACES,
    ZONES_EV,
    LocalLight,
    local_ev,
    spline_weights,
    zone_steps,
)
from flexispd.develop.tone import Look, apply_look
from flexispd.profile import RenderParams

GRID = (len(ZONES_EV), PLACES, PLACES)


def test_a_part_of_the_frame_gets_the_local_light_of_the_whole():
    """
    Bit by bit: the grid is laid over the frame, not over the tile.
    """
    grid = torch.rand(GRID, generator=torch.Generator().manual_seed(0)) - 0.5
    light = LocalLight.of(grid, (300, 420))

    whole = light.fields(slice(0, 300), slice(0, 420)).view(-1, 300, 420)
    part = light.fields(slice(128, 200), slice(64, 333)).view(-1, 72, 269)

    assert torch.allclose(part, whole[:, 128:200, 64:333], atol=1e-6)


def test_nothing_of_the_grid_shows():
    """
    A grid of one value is that value everywhere, and between places that differ the light changes without a corner.
    """
    weights = spline_weights(1000)
    wave = weights @ torch.tensor([0.0, 1.0] * (PLACES // 2))

    assert torch.allclose(weights.sum(1), torch.ones(1000))
    assert wave.diff().diff().abs().max() < 1e-3


def test_the_tone_scale_stays_monotone_under_the_hardest_local_light():
    """
    More light is never shown darker, with the grid, shadows and highlights at their ends.
    """
    ramp = torch.logspace(-4, 1.5, 2000).expand(3, -1).clone()
    for signs in ((1, -1, 1, -1), (-1, 1, -1, 1), (1, 1, -1, -1)):
        fields = zone_steps(LOCAL_EV_MAX * torch.tensor(signs, dtype=torch.float32)[:, None].expand(-1, 2000))
        for end in (-1.0, 1.0):
            out = apply_look(ramp, Look.of(torch.eye(3), RenderParams(shadows=end, highlights=-end)), fields)

            assert out[1].diff().min() >= 0


def test_a_lamp_has_no_halo():
    """
    A pixel's local light depends on its place and its own brightness; what stands beside it changes nothing.
    """
    fields = zone_steps(torch.rand((len(ZONES_EV), 9), generator=torch.Generator().manual_seed(1)) - 0.5)
    wall = torch.full((9,), -3.0)
    lamp = wall.clone()
    lamp[4] = 4.0

    with_lamp, without = local_ev(fields, lamp), local_ev(fields, wall)

    assert torch.equal(with_lamp != without, lamp != wall)


def test_no_grid_is_no_change():
    """
    A grid at rest gives the picture without one.
    """
    light = torch.rand((3, 400), generator=torch.Generator().manual_seed(2))
    look = Look.of(torch.eye(3), RenderParams(shadows=0.3))

    assert torch.equal(apply_look(light, look, torch.zeros(len(ZONES_EV), 400)), apply_look(light, look))

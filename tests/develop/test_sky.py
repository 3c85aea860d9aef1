"""The night sky: found where it is, left alone where it is none."""

import pytest
import torch

from flexispd.develop.clarity import in_ev
from flexispd.develop.sky import Sky, as_sensor, sky_mask, upright
from flexispd.develop.tone import GRAY, REC2020_LUMINANCE
from flexispd.export.encode import upright as exported
from flexispd.profile import SkyParams

HEIGHT, WIDTH = 120, 180
WEIGHTS = torch.from_numpy(REC2020_LUMINANCE).float()
ROOF = 60


def ev_of(light):
    return in_ev(torch.einsum("c,chw->hw", WEIGHTS, light))


def town(*, sky=(0.02, 0.022, 0.03)):
    """A sky that brightens towards black houses with lit windows, and a street."""
    light = torch.empty(3, HEIGHT, WIDTH)
    light[:] = torch.tensor(sky)[:, None, None] * torch.linspace(1, 3, HEIGHT)[:, None]
    for left, roof in ((0, ROOF), (50, ROOF + 15), (110, ROOF - 10)):
        light[:, roof:, left : left + 50] = 0.004
        light[:, roof + 8 : roof + 12, left + 10 : left + 14] = torch.tensor([1.0, 0.6, 0.2])[:, None, None]
    light[:, 100:] = torch.tensor([0.2, 0.14, 0.08])[:, None, None]
    return light


def sky_of(light, params, orientation=1):
    sky = Sky.of(light, ev_of(light), torch.eye(3), orientation, params)
    assert sky is not None
    return sky


def applied(light, params):
    sky, ev = sky_of(light, params), ev_of(light)
    share = sky.share(sky.fields, light, ev)
    return sky.applied(light, torch.einsum("c,chw->hw", WEIGHTS, light), share)


def test_the_sky_is_all_above_the_roofs():
    """
    The mask covers the sky and no house, window or street.
    """
    light = town()
    mask = sky_mask(light, ev_of(light))

    assert mask[: ROOF - 14].min() > 0.95
    assert mask[100 + 2 :].max() == 0
    assert mask[ROOF + 4 : 95, 5:45].max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_up_is_where_the_photographer_held_it(orientation):
    """
    A camera on its side or head gives the same sky, turned as the sensor was.
    """
    light = town()
    turned = as_sensor(light, orientation)
    sky = sky_of(turned, SkyParams(1, 1), orientation)

    share = upright(sky.share(sky.fields, turned, ev_of(turned)), orientation)
    plain = sky_of(light, SkyParams(1, 1))

    assert torch.equal(upright(turned, orientation), light)
    assert torch.allclose(share, plain.share(plain.fields, light, ev_of(light)), atol=1e-3)


def test_upright_is_what_export_makes_of_it():
    """
    Both read EXIF's orientation alike.
    """
    values = torch.arange(2 * 3 * 3).reshape(2, 3, 3)
    for orientation in range(1, 9):
        ours = upright(values.permute(2, 0, 1), orientation).permute(1, 2, 0)
        assert torch.equal(ours, torch.from_numpy(exported(values.numpy(), orientation).copy()))


def test_the_border_follows_the_roof():
    """
    Two cells above a roof it is all sky, two below nothing.
    """
    light = town()
    sky = sky_of(light, SkyParams(1, 1))
    share = sky.share(sky.fields, light, ev_of(light))

    assert share[ROOF - 3, 10:40].min() > 0.8
    assert share[ROOF + 2, 20:40].max() < 0.25


def test_far_from_the_sky_there_is_exactly_none():
    """
    A part of the frame that is told to hold no sky would not be changed by it in the last bit.
    """
    light, params = town(), SkyParams(cooler=1.0, darker=1.0)
    sky, ev = sky_of(light, params), ev_of(light)
    street = (slice(None), slice(110, None))  # below the gaps between the houses

    assert Sky.is_in(sky.fields[:, :ROOF])
    assert not Sky.is_in(sky.fields[street])
    assert not sky.share(sky.fields[street], light[street], ev[110:]).any()


def test_an_indoor_frame_has_no_sky():
    """
    A lit ceiling is smooth and reaches the upper edge, but it is neither dark nor blue.
    """
    room = torch.full((3, HEIGHT, WIDTH), 0.35) * torch.linspace(1.2, 0.8, WIDTH)
    room[:, 60:, 40:90] = 0.02

    assert sky_mask(room, ev_of(room)).max() == 0
    assert Sky.of(room, ev_of(room), torch.eye(3), 1, SkyParams(1, 1)) is None


def test_a_frame_full_of_leaves_has_no_sky():
    """
    What is dark but not smooth is something else.
    """
    random = torch.exp2(3 * torch.rand((1, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(0)) - 7)
    leaves = random * torch.tensor([0.8, 1.0, 0.5])[:, None, None]

    assert sky_mask(leaves, ev_of(leaves)).max() == 0


def test_a_blue_sky_of_dusk_counts_and_has_no_border_inside():
    """
    It is brighter than a night, and all of it is treated alike.
    """
    dusk = town(sky=(0.10, 0.16, 0.28))
    mask = sky_mask(dusk, ev_of(dusk))

    assert mask[: ROOF - 14].unique().numel() == 1
    assert mask[0, 0] > 0.5


def test_stars_and_lamps_in_the_sky_stay():
    """
    A star is no darker and no bluer than it was; the sky around it is.
    """
    light = town()
    light[:, 20, 30] = 0.6
    light[:, 40:44, 120:124] = torch.tensor([3.0, 1.5, 0.3])[:, None, None]

    out = applied(light, SkyParams(1.0, 1.0))

    assert torch.allclose(out[:, 20, 30], light[:, 20, 30], rtol=0.02)
    assert torch.allclose(out[:, 41, 121], light[:, 41, 121], rtol=0.02)
    assert out[1, 20, 35] < 0.6 * light[1, 20, 35]


@pytest.mark.parametrize("amount", [0.25, 0.5, 1.0])
def test_darker_takes_up_to_one_ev(amount):
    """
    The sky gets darker by as many EV as the knob says, and the street stays.
    """
    light = town()
    change_ev = torch.log2(applied(light, SkyParams(darker=amount)) / light)[1]

    assert change_ev[: ROOF - 20].mean() == pytest.approx(-amount, abs=0.05)
    assert change_ev[105:].abs().max() < 0.02


def test_cooler_moves_towards_blue_at_the_same_luminance():
    """
    An orange sky over a town turns bluer, and neither lighter nor darker.
    """
    light = town(sky=(0.05, 0.03, 0.015))
    out = applied(light, SkyParams(cooler=1.0))

    before, after = (torch.einsum("c,chw->hw", WEIGHTS, x)[: ROOF - 20] for x in (light, out))
    assert torch.allclose(before, after, rtol=1e-4)
    assert (out[2] / out[0])[: ROOF - 20].min() > 3 * 0.3


def test_tones_across_the_border_never_change_their_order():
    """
    At every place of the frame a brighter pixel stays the brighter one under a full `darker`.
    """
    light = town()
    sky = sky_of(light, SkyParams(darker=1.0))
    ramp = torch.logspace(-4, 1, 500).expand(3, 1, -1)
    for row in range(ROOF - 14, ROOF + 20, 3):
        fields = sky.fields[:, row, 20][:, None, None]
        shown = sky.applied(ramp, ramp[0], sky.share(fields, ramp, ev_of(ramp)))

        assert shown[1, 0].diff().min() >= 0


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16)])
@pytest.mark.parametrize("level", [0.0, GRAY, 100.0])
def test_frames_in_which_there_is_nothing_are_no_problem(size, level):
    """
    Tiny, black and white frames give numbers.
    """
    light = torch.full((3, *size), level)
    sky = Sky.of(light, ev_of(light), torch.eye(3), 1, SkyParams(1, 1))
    if sky is not None:
        share = sky.share(sky.fields, light, ev_of(light))
        assert sky.applied(light, light[1], share).isfinite().all()

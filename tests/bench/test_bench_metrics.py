"""Figures of merit are those of the papers that they come from."""

import numpy as np
import pytest

from flexispd.bench.metrics import ciede2000, lab_of, matched, psnr_db, ssim, to_encoded, to_linear

# Sharma, Wu, Dalal 2005, table 1: two colours of CIELAB and their difference.
SHARMA = """
50 2.6772 -79.7751  50 0 -82.7485  2.0425
50 3.1571 -77.2803  50 0 -82.7485  2.8615
50 2.8361 -74.0200  50 0 -82.7485  3.4412
50 -1.3802 -84.2814  50 0 -82.7485  1.0000
50 -1.1848 -84.8006  50 0 -82.7485  1.0000
50 -0.9009 -85.5211  50 0 -82.7485  1.0000
50 0 0  50 -1 2  2.3669
50 -1 2  50 0 0  2.3669
50 2.4900 -0.0010  50 -2.4900 0.0009  7.1792
50 2.4900 -0.0010  50 -2.4900 0.0010  7.1792
50 2.4900 -0.0010  50 -2.4900 0.0011  7.2195
50 2.4900 -0.0010  50 -2.4900 0.0012  7.2195
50 -0.0010 2.4900  50 0.0009 -2.4900  4.8045
50 -0.0010 2.4900  50 0.0010 -2.4900  4.8045
50 -0.0010 2.4900  50 0.0011 -2.4900  4.7461
50 2.5 0  50 0 -2.5  4.3065
50 2.5 0  73 25 -18  27.1492
50 2.5 0  61 -5 29  22.8977
50 2.5 0  56 -27 -3  31.9030
50 2.5 0  58 24 15  19.4535
50 2.5 0  50 3.1736 0.5854  1.0000
50 2.5 0  50 3.2972 0  1.0000
50 2.5 0  50 1.8634 0.5757  1.0000
50 2.5 0  50 3.2592 0.3350  1.0000
60.2574 -34.0099 36.2677  60.4626 -34.1751 39.4387  1.2644
63.0109 -31.0961 -5.8663  62.8187 -29.7946 -4.0864  1.2630
61.2901 3.7196 -5.3901  61.4292 2.2480 -4.9620  1.8731
35.0831 -44.1164 3.7933  35.0232 -40.0716 1.5901  1.8645
22.7233 20.0904 -46.6940  23.0331 14.9730 -42.5619  2.0373
36.4612 47.8580 18.3852  36.2715 50.5065 21.2231  1.4146
90.8027 -2.0831 1.4410  91.1528 -1.6435 0.0447  1.4441
90.9257 -0.5406 -0.9208  88.6381 -0.8985 -0.7239  1.5381
6.7747 -0.2908 -2.4247  5.8714 -0.0985 -2.2286  0.6377
2.0776 0.0795 -1.1350  0.9033 -0.0636 -0.5514  0.9082
"""


def test_ciede2000_is_that_of_the_published_pairs():
    """
    All 34 pairs, which meet every case of the formula, to the four digits that are printed; in either order.
    """
    pairs = np.array([line.split() for line in SHARMA.split("\n") if line], np.float64)
    one, other, published = pairs[:, :3], pairs[:, 3:6], pairs[:, 6]

    assert len(pairs) == 34
    assert ciede2000(one, other) == pytest.approx(published, abs=6e-5)
    assert ciede2000(other, one) == pytest.approx(published, abs=6e-5)


def test_lab_of_known_colours():
    """
    White is 100, 0, 0; sRGB's red and a mid grey are where every colour calculator has them.
    """
    lab = lab_of(np.array([[[1, 1, 1], [1, 0, 0], [0.5, 0.5, 0.5]]]))[0]

    assert lab == pytest.approx(np.array([[100, 0, 0], [53.24, 80.09, 67.20], [53.39, 0, 0]]), abs=0.02)


def test_psnr_of_a_known_error():
    """
    An error of a tenth everywhere is 20 dB, and no error is a large number and not infinity.
    """
    truth = np.full((8, 8, 3), 0.5)

    assert psnr_db(truth + 0.1, truth) == pytest.approx(20)
    assert psnr_db(255 * truth + 25.5, 255 * truth, 255) == pytest.approx(20)
    assert psnr_db(truth, truth) == pytest.approx(120)


def test_ssim_is_one_for_the_same_and_falls_with_noise():
    """
    Noise that hides the structure costs more than a shift of brightness of the same PSNR.
    """
    random = np.random.default_rng(0)
    truth = np.kron(random.uniform(0.2, 0.8, (8, 8, 3)), np.ones((8, 8, 1)))

    assert ssim(truth, truth) == pytest.approx(1)
    assert ssim(truth + random.normal(0, 0.1, truth.shape), truth) < ssim(truth + 0.1, truth) - 0.1


def test_a_gain_in_linear_light_is_found_and_taken_back():
    """
    A picture that is only too dark by 2.3 EV is the photograph again; what has clipped is not.
    """
    random = np.random.default_rng(0)
    truth = random.uniform(0, 1, (64, 64, 3)).astype(np.float32)
    dark = to_encoded(to_linear(truth) * np.float32(2**-2.3))

    assert psnr_db(dark, truth) < 12
    assert psnr_db(matched(dark, truth), truth) > 45
    assert psnr_db(matched(to_encoded(to_linear(truth) * 4), truth), truth) < 25

"""A capture becomes published files: the whole path, on raws made here."""

import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from flexispd import pipeline
from flexispd.develop import models as models_module
from flexispd.develop.models import all_devices, choose_device, load_models
from flexispd.develop.tiling import TILE_CPU, Tiling, in_memory
from flexispd.errors import CorruptRawError, DeviceError, SetupError, TransientError, VanishedError
from flexispd.export.receipt import hash_inputs
from flexispd.pipeline import Order, develop, process
from flexispd.profile import DenoiseParams, ExportParams, Rule, WhiteBalanceParams, load_profile, parse_profile
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Capture, ColorMatrix, Mosaic, NoiseProfile, ShotInfo
from flexispd.weights import model_set, write_manifest

CAMERA = ColorMatrix(np.array([[0.7, -0.2, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]]), 6504.0)


def mosaic_of(height=96, width=120, cfa=CFA.RGGB, orientation=1):
    """A night mosaic: a dim gradient, a warm lamp that clips, a little noise."""
    random = np.random.default_rng(7)
    rows, columns = np.mgrid[:height, :width]
    light = 0.02 + 0.1 * columns / width
    lamp = np.exp(-((rows - height / 2) ** 2 + (columns - width / 2) ** 2) / 60)
    red, green, blue = (light * n + lamp * k for n, k in ((0.6, 3.0), (1.0, 2.5), (0.6, 0.8)))
    top, left = cfa.value
    is_green = (rows + columns + top + left) % 2 == 1
    is_red = ((rows + top) % 2 == 0) & ~is_green
    signal = np.where(is_green, green, np.where(is_red, red, blue)).clip(0, 1)
    values = (512 + signal * 15000 + random.normal(0, 8, signal.shape)).clip(0, 15512).astype(np.uint16)
    shot = ShotInfo("Maker", "Body", iso=800.0, orientation=orientation, color_matrices=(CAMERA,))
    return Mosaic(values, cfa, (512.0,) * 4, (15512.0,) * 4, shot)


@pytest.fixture(scope="module")
def natural():
    return load_profile("natural")


@pytest.fixture(scope="module")
def cpu(natural):
    return load_models([natural], "cpu")


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "in" / "DSC_0001.dng"
    path.parent.mkdir()
    path.write_bytes(write_dng(mosaic_of()))
    return Capture(path)


def test_one_raw_becomes_a_picture_and_its_receipt(capture, natural, cpu, tmp_path):
    """
    STEM.PROFILE.jpg and STEM.PROFILE.json lie in the outbox, agree with each other, and name the raw.
    """
    (result,) = process(capture, [Order(natural, tmp_path / "out" / "DSC_0001.natural")], cpu)

    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    receipt = json.loads((tmp_path / "out" / "DSC_0001.natural.json").read_bytes())
    picture = (tmp_path / "out" / "DSC_0001.natural.jpg").read_bytes()
    assert result.error is None
    assert names == ["DSC_0001.natural.jpg", "DSC_0001.natural.json"]
    assert receipt["outputs"][0]["sha256"] == hashlib.sha256(picture).hexdigest()
    assert receipt["input"]["sha256"] == hashlib.sha256(capture.raw.read_bytes()).hexdigest()
    assert receipt["weights"].keys() == {"denoise", "white-balance", "demosaic", "look"}
    assert receipt["development"]["device"] == "cpu"
    assert {"exposure_ev", "contrast", "saturation", "local_ev"} <= receipt["development"]["learned_look"].keys()
    assert {"hash", "decode", "upload", "denoise", "white_balance", "render", "encode"} <= receipt["development"][
        "milliseconds"
    ].keys()
    assert np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)).shape == (96, 120, 3)


def test_the_inbox_is_only_read(capture, natural, cpu, tmp_path):
    """
    Rendering works where the folder of the raw cannot be written to, and changes nothing in it.
    """
    before = {path.name: path.stat().st_mtime_ns for path in capture.raw.parent.iterdir()}

    process(capture, [Order(natural, tmp_path / "out" / "a.natural")], cpu)

    assert {path.name: path.stat().st_mtime_ns for path in capture.raw.parent.iterdir()} == before


def test_a_second_run_finds_everything_up_to_date(capture, natural, cpu, tmp_path):
    """
    The same ingredients are not developed again, and the file is not touched.
    """
    (first,) = process(capture, [Order(natural, tmp_path / "out" / "a.natural")], cpu)
    stamp = first.outputs[0].stat().st_mtime_ns
    (second,) = process(capture, [Order(natural, tmp_path / "out" / "a.natural")], cpu)

    assert not first.up_to_date
    assert second.up_to_date
    assert first.outputs[0].stat().st_mtime_ns == stamp


def test_one_profile_that_may_not_write_does_not_stop_the_other(capture, natural, cpu, tmp_path):
    """
    A stranger's file at one output's name is refused; the other profile is rendered all the same.
    """
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.natural.jpg").write_bytes(b"mine")
    profiles = [natural, load_profile("neutral")]
    refused, done = process(capture, [Order(p, tmp_path / "out" / f"a.{p.name}") for p in profiles], cpu)

    assert refused.error is not None
    assert "not ours" in refused.error.problem
    assert (tmp_path / "out" / "a.natural.jpg").read_bytes() == b"mine"
    assert done.error is None


def test_a_noise_profile_that_no_sensor_has_is_not_believed(natural, cpu):
    """
    The picture is the one without the profile, and the report says why.
    """
    mosaic = mosaic_of()
    absurd = NoiseProfile((1e3,) * 4, (1e3,) * 4, "json")
    (picture,) = develop(replace(mosaic, shot=replace(mosaic.shot, noise_profile=absurd)), [natural], cpu)
    (plain,) = develop(mosaic, [natural], cpu)

    assert np.array_equal(picture.values, plain.values)
    assert any("noise profile" in warning for warning in picture.report["warnings"])


def test_a_broken_raw_is_an_error_and_no_picture(tmp_path, natural, cpu):
    """
    Nothing appears in the outbox for a file that is cut off.
    """
    raw = tmp_path / "broken.dng"
    raw.write_bytes(write_dng(mosaic_of())[:9000])

    with pytest.raises(CorruptRawError):
        process(Capture(raw), [Order(natural, tmp_path / "out" / "broken.natural")], cpu)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cfa", CFA)
@pytest.mark.parametrize(("height", "width"), [(97, 121), (22, 23), (2, 9), (8, 64)])
def test_every_phase_and_odd_size_keeps_its_size_and_its_lamp(natural, cpu, cfa, height, width):
    """
    The picture is as large as the mosaic, and the warm lamp in its middle is bright and not magenta.
    """
    (picture,) = develop(mosaic_of(height, width, cfa), [natural], cpu)

    assert picture.values.shape == (height, width, 3)
    assert picture.values.dtype == np.uint8
    if min(height, width) > 50:  # in smaller frames the lamp is all there is, and its colour anybody's guess
        red, green, blue = (int(v) for v in picture.values[height // 2, width // 2])
        assert max(red, green, blue) > 180
        assert green >= min(red, blue) - 2


def test_two_profiles_at_once_are_the_same_as_one_by_one(cpu):
    """
    What profiles share changes nothing in their pictures, whatever each of them does about noise and colour.
    """
    profiles = [
        load_profile("natural"),
        load_profile("neutral"),
        load_profile("vivid night"),
        replace(load_profile("neutral"), name="raw", denoise=DenoiseParams(0.0, 0.0)),
        replace(load_profile("neutral"), name="warm", white_balance=WhiteBalanceParams("kelvin", 9000.0)),
    ]
    together = develop(mosaic_of(), profiles, cpu)

    for profile, picture in zip(profiles, together, strict=True):
        (alone,) = develop(mosaic_of(), [profile], cpu)
        assert np.array_equal(alone.values, picture.values), profile.name
    assert len({picture.values.tobytes() for picture in together}) == len(profiles)


def test_tiles_give_the_same_8_bits(natural, cpu, monkeypatch):
    """
    A frame in small tiles is the frame in one, from the mosaic to the finished picture.
    """
    mosaic = mosaic_of(200, 333)
    (whole,) = develop(mosaic, [natural], cpu)
    monkeypatch.setattr("flexispd.develop.tiling.TILE_CPU", 32)
    (tiled,) = develop(mosaic, [natural], cpu)

    assert np.array_equal(whole.values, tiled.values)


COLOR_WORK = parse_profile(
    """
    [render]
    whites = 0.5
    curve = [[0.2, 0.1], [0.8, 0.9]]
    [hue_shift]
    orange = 20
    [hue_saturation]
    yellow = 1.5
    [hue_lightness]
    orange = -0.5
    [monochrome]
    strength = 0.5
    [split_toning]
    shadows_strength = 0.5
    """,
    "mine",
)


def test_colour_work_reaches_the_picture_and_is_the_same_in_tiles(cpu, monkeypatch):
    """
    Each section of a profile changes the picture, and in small tiles all of them together give the same 8 bits.
    """
    mosaic, neutral = mosaic_of(200, 333), parse_profile("", "mine")
    sections = ("render", "hue_shift", "hue_saturation", "hue_lightness", "monochrome", "split_toning")
    alone = [replace(neutral, **{section: getattr(COLOR_WORK, section)}) for section in sections]
    whole, *others = develop(mosaic, [COLOR_WORK, neutral, *alone], cpu)
    monkeypatch.setattr("flexispd.develop.tiling.TILE_CPU", 32)
    (tiled,) = develop(mosaic, [COLOR_WORK], cpu)

    assert len({picture.values.tobytes() for picture in (whole, *others)}) == 2 + len(sections)
    assert np.array_equal(whole.values, tiled.values)


def test_what_the_network_asked_for_can_be_asked_for_by_hand(natural, cpu):
    """
    The receipt's numbers in a profile without the network give the same picture, but for the local light.
    """
    (learned,) = develop(mosaic_of(), [natural], cpu)
    asked = dict(learned.report["learned_look"])
    local_ev = np.abs(asked.pop("local_ev")).max()
    by_hand = replace(natural, render=replace(natural.render, learned=0.0, **asked))
    (edited,) = develop(mosaic_of(), [by_hand], cpu)

    assert "learned_look" not in edited.report
    assert edited.report["exposure_ev"] == pytest.approx(learned.report["exposure_ev"], abs=2e-3)
    difference = np.abs(edited.values.astype(int) - learned.values.astype(int))
    assert difference.max() <= 2 + 70 * local_ev  # an EV is about 70 steps at mid grey


def test_a_profile_that_wants_nothing_learned_never_asks_the_network(cpu):
    """
    `neutral` is what it was without such a network.
    """
    neutral = load_profile("neutral")
    without = replace(cpu, ours={name: replace(networks, look=None) for name, networks in cpu.ours.items()})

    (one,), (other,) = (develop(mosaic_of(), [neutral], models) for models in (cpu, without))

    assert np.array_equal(one.values, other.values)
    assert "learned_look" not in one.report


def test_a_model_set_need_not_have_a_look(natural, tmp_path, monkeypatch):
    """
    It works for every profile but those that want a learned look, and they say so before any frame is touched.
    """
    monkeypatch.setenv("FLEXISPD_WEIGHTS", str(tmp_path))
    (tmp_path / "mine").mkdir()
    entries = [replace(e, folder=tmp_path / "mine", model="mine") for e in model_set("flexispd-s").entries]
    for shipped, entry in zip(model_set("flexispd-s").entries, entries, strict=True):
        entry.path.write_bytes(shipped.path.read_bytes())
    write_manifest(tmp_path / "mine" / "manifest.toml", [entry for entry in entries if entry.stage != "look"])

    assert load_models([replace(load_profile("neutral"), model="mine")], "cpu").ours["mine"].look is None
    with pytest.raises(SetupError, match="natural wants a learned look") as caught:
        load_models([replace(natural, model="mine")], "cpu")
    assert "learned = 0" in caught.value.remedy
    ruled = replace(
        load_profile("neutral"), model="mine", rules=(Rule("iso > 1", "n", replace(natural, model="mine")),)
    )
    with pytest.raises(SetupError, match="wants a learned look"):
        load_models([ruled], "cpu")


def test_a_rule_chooses_the_look_and_the_receipt_says_so(capture, cpu, tmp_path):
    """
    The picture is that of the used profile; its name and the kind of file are those of the profile asked for.
    """
    neutral, vivid = load_profile("neutral"), load_profile("vivid-night")
    rules = (
        Rule("1 / (iso - 800) > 0", "neutral", neutral),
        Rule("iso >= 800 and camera ~ 'body'", "vivid-night", replace(vivid, name="", description="", sha256="")),
    )
    asked = replace(neutral, name="mine", rules=rules)
    mosaic = mosaic_of()

    ruled, direct, plain = develop(mosaic, [asked, vivid, neutral], cpu)
    planned = pipeline.plan(Order(asked, tmp_path / "out" / "DSC_0001.mine"), hash_inputs(capture), {}, "never")
    pipeline.publish(planned, mosaic.shot, ruled, pipeline.Timer())

    assert np.array_equal(ruled.values, direct.values)
    assert "rule" not in plain.report
    receipt = json.loads((tmp_path / "out" / "DSC_0001.mine.json").read_bytes())
    used = {"number": 2, "when": "iso >= 800 and camera ~ 'body'", "use": "vivid-night"}
    assert receipt["development"]["rule"] == used
    assert "Rule 1 of mine divides by zero here and counts as not fulfilled." in receipt["warnings"]
    assert receipt["profile"]["name"] == "mine"
    assert receipt["profile"]["values"]["rules"][1]["look"]["render"]["contrast"] == 1.25


def test_the_border_of_a_dark_frame_is_as_bright_as_its_middle(cpu):
    """
    What the networks see beyond the frame leaves no rim, even when the exposure lifts it by six stops.
    """
    neutral = load_profile("neutral")
    lifted = replace(neutral, render=replace(neutral.render, auto_exposure=0.0, exposure_ev=6.0))
    values = (552 + np.random.default_rng(0).normal(0, 6, (301, 402))).astype(np.uint16)
    mosaic = Mosaic(values, CFA.RGGB, (512.0,) * 4, (16383.0,) * 4, ShotInfo(color_matrices=(CAMERA,)))

    (picture,) = develop(mosaic, [lifted], cpu)

    shown = picture.values.astype(float)
    middle = shown[50:-50, 50:-50].mean(axis=(0, 1))
    for rim in (shown[0, 9:-9], shown[-1, 9:-9], shown[9:-9, 0], shown[9:-9, -1]):
        assert np.abs(rim.mean(axis=0) - middle).max() < 5


def test_a_deep_picture_and_its_shallow_copy_agree(natural, cpu, capture, tmp_path):
    """
    A profile that exports JPEG, PNG and 16-bit TIFF renders once, and the 8-bit files are the 16-bit ones rounded.
    """
    exports = (ExportParams("png"), ExportParams("tiff16"))
    (result,) = process(capture, [Order(replace(natural, export=exports), tmp_path / "out" / "a.natural")], cpu)

    shallow, deep = (
        np.asarray(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)) for path in sorted(result.outputs)
    )
    assert (shallow.dtype, deep.dtype) == (np.dtype(np.uint8), np.dtype(np.uint16))
    assert np.abs(shallow.astype(float) - deep / 257).max() <= 0.51


def test_a_device_that_runs_out_of_memory_gets_smaller_tiles_then_the_cpu():
    """
    Both steps down are noted for the receipt, and there is an end to them.
    """
    tried = []

    def work(tiling):
        tried.append((tiling.device.type, tiling.edge))
        if tiling.device.type == "cuda":
            raise torch.OutOfMemoryError
        return tiling.notes

    notes = in_memory(Tiling.on(torch.device("cuda")), work)  # which is never reached: the work fails first

    assert [device for device, _ in tried] == ["cuda", "cuda", "cpu"]
    assert tried[1][1] < tried[0][1]
    assert tried[2][1] == TILE_CPU
    assert len(notes) == 2


def test_memory_that_the_cpu_does_not_have_is_a_transient_error():
    """
    Torch's own complaint about the processor's memory is understood.
    """
    with pytest.raises(TransientError, match="not enough memory"):
        in_memory(Tiling.on(torch.device("cpu")), lambda _: torch.empty(10**15))


def test_memory_that_ends_on_the_cpu_is_a_transient_error():
    """
    There is nowhere else to go; the capture is fine and can be tried again.
    """

    def work(_):
        raise MemoryError

    with pytest.raises(TransientError):
        in_memory(Tiling.on(torch.device("cpu")), work)
    assert Tiling.on(torch.device("cpu")).smaller() is None


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("network", ["denoise", "demosaic"])
def test_numbers_that_are_no_picture_are_never_published(natural, capture, tmp_path, network, poison):
    """
    A device that miscalculates without saying so: a NaN would be a black pixel, and an infinity a white one.
    """
    broken = load_models([natural], "cpu")
    with torch.no_grad():
        next(iter(getattr(broken.ours[natural.model], network).parameters()))[0] = poison

    with pytest.raises(DeviceError, match="no picture"):
        process(capture, [Order(natural, tmp_path / "out" / "a.natural")], broken)
    assert not (tmp_path / "out").exists()


def test_a_black_picture_of_a_frame_that_is_not_black_is_refused(natural, cpu, monkeypatch):
    """
    A lens cap may be black, a lit street may not.
    """
    whole = pipeline._develop

    def black(*arguments):
        return [replace(picture, values=np.zeros_like(picture.values)) for picture in whole(*arguments)]

    monkeypatch.setattr(pipeline, "_develop", black)
    capped = replace(mosaic_of(), values=np.full((96, 120), 512, np.uint16))

    with pytest.raises(DeviceError, match="black"):
        develop(mosaic_of(), [natural], cpu)
    (picture,) = develop(capped, [natural], cpu)
    assert picture.values.max() == 0


@pytest.mark.parametrize(
    "text", ["CUDA error: device-side assert triggered", "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"]
)
def test_an_error_of_the_device_is_told_from_a_bug(text):
    """
    The first needs another process, the second another version of flexispd.
    """

    def work(_):
        raise RuntimeError(text)

    with pytest.raises(DeviceError, match=text):
        in_memory(Tiling.on(torch.device("cpu")), work)
    text = "shapes differ"
    with pytest.raises(RuntimeError, match=text):
        in_memory(Tiling.on(torch.device("cpu")), work)


def test_a_raw_that_changes_while_it_is_read_is_not_rendered(natural, cpu, capture, tmp_path, monkeypatch):
    """
    What is developed is what was hashed, or nothing is; a sidecar that vanishes counts as well.
    """
    capture = replace(capture, xmp=capture.raw.with_suffix(".xmp"))
    capture.xmp.write_text("<x/>")

    def slow(_):
        capture.xmp.unlink()
        return mosaic_of()

    monkeypatch.setattr(pipeline, "read_mosaic", slow)

    with pytest.raises(VanishedError, match="xmp"):
        process(capture, [Order(natural, tmp_path / "out" / "a.natural")], cpu)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_asking_for_a_gpu_that_is_not_there_says_what_to_do():
    """
    `--device cuda` on a machine without one is a set-up error, and auto takes the CPU.
    """
    with pytest.raises(SetupError, match="device cpu"):
        choose_device("cuda")
    with pytest.raises(SetupError, match="no CUDA device"):
        choose_device("cuda:3")
    assert choose_device("auto").type == "cpu"
    assert all_devices() == ("cpu",)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that torch can use")
def test_the_gpu_and_the_cpu_agree_within_two_steps(natural, cpu):
    """
    The same frame differs by at most 2 of 255 between the devices.
    """
    mosaic = mosaic_of(400, 600)
    (one,) = develop(mosaic, [natural], cpu)
    (other,) = develop(mosaic, [natural], models_module.load_models([natural], "cuda"))

    assert np.abs(one.values.astype(int) - other.values).max() <= 2

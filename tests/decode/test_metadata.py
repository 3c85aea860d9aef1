"""Metadata: XMP sidecars, precedence of sources, contradictions, defaults."""

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decode_making import SHOT, frame, raw_capture
from hypothesis import given
from hypothesis import strategies as st

from flexispd.decode import cr3, metadata, read_mosaic, xmp
from flexispd.training.dng import write_dng
from flexispd.types import Capture, ColorMatrix, NoiseProfile

SIDECAR = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
   xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   tiff:Orientation="8" tiff:Model="Night One" exif:ExposureTime="1/30" exif:FNumber="14/10"
   exif:DateTimeOriginal="2026-01-02T03:04:05.67+02:00" aux:Lens="Acme 35mm" crs:Temperature="5200"
   exif:GPSLatitude="33,30.0S" exif:GPSLongitude="18,15,0E" exif:GPSAltitude="12/1" exif:GPSAltitudeRef="1">
  <tiff:Make>Acme</tiff:Make>
  <exif:ISOSpeedRatings><rdf:Seq><rdf:li>6400</rdf:li></rdf:Seq></exif:ISOSpeedRatings>
 </rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def test_a_sidecar_states_the_shot_in_attributes_elements_and_lists() -> None:
    """
    All three ways in which XMP writes a simple property; develop settings are passed over.
    """
    assert xmp.facts(SIDECAR.encode()) == {
        "make": "Acme",
        "model": "Night One",
        "lens": "Acme 35mm",
        "iso": 6400.0,
        "exposure_s": 1 / 30,
        "f_number": 1.4,
        "orientation": 8,
        "taken_at": "2026:01:02 03:04:05",
        "gps": {"latitude": -33.5, "longitude": 18.25, "altitude_m": -12.0},
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_so_nothing_can_expand(encoding: str) -> None:
    """
    A billion laughs needs an entity, an entity needs a document type.
    """
    bomb = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'

    with pytest.raises(xmp.XmpError, match="document type"):
        xmp.facts(bomb.encode(encoding))


@pytest.mark.parametrize("data", [b"", b"<a>", b"no xml", bytes(2**20 + 1), b"\xff\xfe\x00"])
def test_a_broken_sidecar_is_an_error_of_one_kind(data: bytes) -> None:
    """
    Empty, open, foreign, too large.
    """
    with pytest.raises(xmp.XmpError):
        xmp.facts(data)


@given(st.text(st.characters(codec="ascii", exclude_characters="<&\"'", min_codepoint=32), max_size=20))
def test_a_property_may_say_anything(text: str) -> None:
    """
    What makes no sense counts as absent; nothing raises.
    """
    for name in ("ISOSpeedRatings", "ExposureTime", "DateTimeOriginal", "GPSLatitude", "GPSLongitude"):
        xmp.facts(
            '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://ns.adobe.com/exif/1.0/">'
            f'<r:Description e:{name}="{text}"/></r:RDF>'.encode()
        )


def test_json_wins_over_xmp_over_exif_and_every_field_says_so(tmp_path: Path) -> None:
    """
    One source of each rank, and the contradictions between them as warnings.
    """
    raw = raw_capture(tmp_path, frame()).raw
    (tmp_path / "frame.json").write_text('{"iso": 3200}')
    (tmp_path / "frame.xmp").write_text(SIDECAR, encoding="utf-8")

    shot = read_mosaic(Capture(raw, json=tmp_path / "frame.json", xmp=tmp_path / "frame.xmp")).shot

    assert (shot.iso, shot.orientation, shot.focal_length_mm) == (3200.0, 8, 35.0)
    assert shot.sources["iso"] == "json"
    assert shot.sources["orientation"] == "xmp"
    assert shot.sources["focal_length_mm"] == "exif"
    assert sum("iso is 3200.0 by json but" in warning for warning in shot.warnings) == 3
    assert any("orientation is 8 by xmp but 6 by exif" in warning for warning in shot.warnings)
    assert not any("exposure" in warning for warning in shot.warnings)


def test_a_broken_sidecar_does_not_stop_a_raw(tmp_path: Path) -> None:
    """
    A raw can do without; the receipt says what was ignored.
    """
    raw = raw_capture(tmp_path, frame()).raw
    (tmp_path / "frame.json").write_text('{"iso": "many"}')
    (tmp_path / "frame.xmp").write_text("<a>")

    shot = read_mosaic(Capture(raw, json=tmp_path / "frame.json", xmp=tmp_path / "frame.xmp")).shot

    assert shot.iso == SHOT.iso
    assert any("frame.json: iso" in warning for warning in shot.warnings)
    assert any("frame.xmp is ignored" in warning for warning in shot.warnings)


def test_a_shorter_or_longer_name_of_a_camera_is_no_contradiction() -> None:
    """
    "Canon EOS D30" and "EOS D30" are one camera, and 4.97 s is 5 s.
    """
    shot = metadata.merge(
        [("json", {"model": "EOS D30", "exposure_s": 5.0}), ("exif", {"model": "Canon EOS D30", "exposure_s": 4.967})]
    )

    assert len(shot.warnings) == 1  # about the colour matrix


def test_what_no_source_has_is_the_default_and_says_so() -> None:
    """
    An average colour matrix under D65, upright; the white balance is left to be estimated.
    """
    shot = metadata.merge([("rawpy", {})])

    assert shot.sources == {"color_matrices": "default", "orientation": "default"}
    np.testing.assert_array_equal(shot.color_matrices[0].xyz_to_camera.ravel(), metadata.DEFAULT_COLOR_MATRIX)
    assert shot.as_shot_neutral is None


def test_matrices_come_in_rising_order_of_temperature(tmp_path: Path) -> None:
    """
    Whatever order the file has.
    """
    mosaic = replace(frame(), shot=replace(SHOT, color_matrices=SHOT.color_matrices[::-1]))

    shot = read_mosaic(raw_capture(tmp_path, mosaic)).shot

    assert [matrix.cct_k for matrix in shot.color_matrices] == [2856.0, 6504.0]


def tag(number: int, values: list[float]) -> Any:
    """Stands for what exifread gives for a tag that it has no name for."""
    return type("Tag", (), {"values": values, "tag": number})()


def test_analog_balance_and_calibration_are_part_of_the_matrix() -> None:
    """
    DNG 1.4, chapter 6: balance x calibration x matrix.
    """
    tags = metadata._Tags(
        {
            "Image Tag 0xC621": tag(50721, [1, 0, 0, 0, 1, 0, 0, 0, 1]),
            "Image Tag 0xC623": tag(50723, [1, 0.5, 0, 0, 1, 0, 0, 0, 1]),
            "Image Tag 0xC627": tag(50727, [2, 1, 4]),
        }
    )

    (matrix,) = tags.color_matrices()

    np.testing.assert_allclose(matrix.xyz_to_camera, [[2, 1, 0], [0, 1, 0], [0, 0, 4]])


@given(st.binary(max_size=400), st.integers(min_value=0, max_value=900))
def test_exif_of_any_content_is_facts_or_a_warning(noise: bytes, at: int) -> None:
    """
    A parser of hostile bytes may fail in any way; the pixels may be fine all the same.
    """
    data = bytearray(write_dng(frame(22, 22)))
    data[at : at + len(noise)] = noise

    facts, warnings = metadata.exif_facts(bytes(data))

    assert isinstance(facts, dict)
    assert all(isinstance(warning, str) for warning in warnings)


def test_a_dng_without_color_tags_falls_back(tmp_path: Path) -> None:
    """
    No matrix, no neutral, no noise profile: a default, and None twice.
    """
    shot = replace(SHOT, color_matrices=(), as_shot_neutral=None, noise_profile=None, gps=None)

    got = read_mosaic(raw_capture(tmp_path, replace(frame(), shot=shot))).shot

    assert got.sources["color_matrices"] == "default"
    assert (got.as_shot_neutral, got.noise_profile, got.gps) == (None, None, None)


def test_one_noise_profile_serves_all_planes(tmp_path: Path) -> None:
    """
    DNG allows one pair for everything.
    """
    profile = NoiseProfile((1e-4,) * 4, (1e-6,) * 4, "exif")

    got = read_mosaic(raw_capture(tmp_path, replace(frame(), shot=replace(SHOT, noise_profile=profile)))).shot

    assert got.noise_profile is not None
    assert got.noise_profile.shot == pytest.approx(profile.shot)


def test_gps_in_all_quarters_keeps_its_sign() -> None:
    """
    North and east are positive.
    """
    for latitude, longitude in ((48.25, 11.5), (-48.25, 11.5), (48.25, -11.5), (-48.25, -11.5)):
        shot = replace(SHOT, gps={"latitude": latitude, "longitude": longitude})
        facts, _ = metadata.exif_facts(write_dng(replace(frame(22, 22), shot=shot)))
        assert facts["gps"] == pytest.approx({"latitude": latitude, "longitude": longitude})


def test_a_matrix_that_cannot_be_inverted_counts_as_absent() -> None:
    """
    All zeros, as some files have, would make every picture black.
    """
    shot = replace(SHOT, color_matrices=(ColorMatrix(np.zeros((3, 3)), 2856.0), SHOT.color_matrices[1]))

    facts, _ = metadata.exif_facts(write_dng(replace(frame(22, 22), shot=shot)))

    assert [matrix.cct_k for matrix in facts["color_matrices"]] == [6504.0]


def test_what_is_no_tiff_has_no_exif() -> None:
    """
    CIFF and QuickTake files are not EXIF; LibRaw's own metadata has to do.
    """
    assert metadata.exif_facts(io.BytesIO(b"qktn" + bytes(900)).read())[0] == {}


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def test_the_position_in_a_cr3_is_read_from_its_own_directory() -> None:
    """
    CMT4 is a TIFF file whose first directory holds the GPS tags.
    """
    position = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", 4)
    for number, kind, count, value in ((1, 2, 2, b"S\0\0\0"), (2, 5, 3, b"\x40\0\0\0"), (3, 2, 2, b"E\0\0\0")):
        position += struct.pack("<HHI", number, kind, count) + value
    position += struct.pack("<HHII", 4, 5, 3, 0x58) + bytes(4)
    position = position.ljust(0x40, b"\0") + struct.pack("<12I", 33, 1, 30, 1, 0, 1, 18, 1, 15, 1, 0, 1)
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48") + box(b"CNCV", b"x") + box(b"CMT4", position)
    data = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", canon))

    facts, _ = metadata.exif_facts(data)

    assert facts == {"gps": {"latitude": -33.5, "longitude": 18.25}}


@given(st.binary(max_size=200))
def test_boxes_of_any_content_are_walked_to_their_end(noise: bytes) -> None:
    """
    Sizes that do not fit end the walk.
    """
    assert cr3.directories(box(b"ftyp", b"crx ") + noise) == {}

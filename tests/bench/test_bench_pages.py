"""What benchmarks print, the page that they make, and the measure of speed."""

import json
from pathlib import Path

import numpy as np
import pytest
from bench_making import picture, save

from flexispd.bench import looks, speed
from flexispd.bench.document import NOT_RUN, SECTIONS, measured_parts, updated
from flexispd.bench.result import COLUMNS_MAX, BenchResult
from flexispd.bench.suite import Material, run
from flexispd.cli.main import run as flexispd
from flexispd.errors import SetupError
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Mosaic, ShotInfo

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
RESULT = BenchResult(
    "demosaic",
    [{"method": "S", "cpsnr_db": 40.5}, {"method": "LibRaw AHD", "cpsnr_db": None}],
    "m",
    ["One sentence."],
)


def test_a_result_prints_its_machine_and_aligned_columns():
    """
    A table can be read at a terminal and names where it was measured.
    """
    assert RESULT.as_table().splitlines() == [
        "# demosaic: m",
        "method      cpsnr_db",
        "S           40.5",
        "LibRaw AHD  -",
        "One sentence.",
    ]


def test_a_result_is_a_section_of_a_page():
    """
    The machine above, the notes below.
    """
    assert RESULT.as_markdown().splitlines() == [
        "On m:",
        "",
        "| method | cpsnr_db |",
        "|---|---|",
        "| S | 40.5 |",
        "| LibRaw AHD | - |",
        "",
        "- One sentence.",
    ]


def test_a_wide_table_is_printed_on_its_side():
    """
    With a row for each of its columns, so that it still fits.
    """
    wide = BenchResult("speed", [{f"column_{i}": i for i in range(COLUMNS_MAX + 1)}], "m")

    assert wide.as_table().splitlines()[1:3] == ["column_0   0", "column_1   1"]


def test_a_section_is_replaced_and_the_others_stay():
    """
    In a new page everything else is not measured yet; in an old one it is left as it was.
    """
    page = updated("", [RESULT])
    again = updated(page, [BenchResult("night", [{"method": "natural"}], "other")])

    assert measured_parts(page) == {"demosaic": RESULT.as_markdown()}
    assert page.count(NOT_RUN) == len(SECTIONS) - 1
    assert measured_parts(again).keys() == {"demosaic", "night"}
    assert measured_parts(again)["demosaic"] == RESULT.as_markdown()
    assert updated(again, []) == again


def test_the_page_of_the_documentation_is_what_the_program_writes():
    """
    Nobody has written into docs/benchmarks.md by hand, and its tables have the columns that are measured now.
    """
    text = PAGE.read_text()
    first = dict.fromkeys(SECTIONS, "method") | {"white-balance": "scenes", "speed": "file", "looks": "profile"}

    assert updated(text, []) == text
    for bench, part in measured_parts(text).items():
        assert part.splitlines()[2].startswith(f"| {first[bench]} |")
        assert set(part.splitlines()[3]) == {"|", "-"}


def test_all_benchmarks_with_something_to_measure_make_the_page(tmp_path):
    """
    One section after the other, in a page that is made when it is not there; --only leaves out the rest.
    """
    save(tmp_path / "pictures/a.png", picture())
    page = tmp_path / "page.md"

    results = run(Material(pictures=tmp_path / "pictures"), page, ["demosaic"])

    assert [result.bench for result in results] == ["demosaic"]
    assert measured_parts(page.read_text()).keys() == {"demosaic"}


def test_nothing_to_measure_with_is_an_error():
    """
    Said in a sentence, with what to do.
    """
    with pytest.raises(SetupError, match="nothing to measure with"):
        run(Material())
    with pytest.raises(SetupError, match="nothing to measure night with"):
        run(Material(pictures=Path()), only=["night"])


def test_a_file_that_is_no_page_of_benchmarks_is_left_alone(tmp_path):
    """
    Said before anything is measured.
    """
    notes = tmp_path / "notes.md"
    notes.write_text("# Mine")

    with pytest.raises(SetupError, match=r"notes\.md is no page of benchmarks"):
        run(Material(pictures=tmp_path), notes)

    assert notes.read_text() == "# Mine"


def test_speed_is_measured_from_file_to_file(tmp_path, monkeypatch):
    """
    Each raw and each made frame has its steps, median and worst, its total and its own peak memory.
    """
    random = np.random.default_rng(0)
    values = random.integers(600, 9000, (120, 160)).astype(np.uint16)
    shot = ShotInfo("Maker", "Body", as_shot_neutral=(0.5, 1.0, 0.6))
    (tmp_path / "a.dng").write_bytes(write_dng(Mosaic(values, CFA.GBRG, (512.0,) * 4, (16383.0,) * 4, shot)))
    monkeypatch.setattr(speed, "MADE_MEGAPIXELS", (0.1,))

    rows = speed.run(tmp_path, "cpu").as_json()["rows"]

    assert [row["file"] for row in rows] == ["a.dng", "made_0.1mp.dng"]
    for row in rows:
        for step in ("decode", "denoise", "white_balance", "render", "encode"):
            assert row[f"{step}_ms"] <= row[f"{step}_worst_ms"]
        assert row["median_s"] <= row["worst_s"]
        assert row["s_per_mp"] > 0
        assert row["device"] == "cpu"
        assert row["peak_mib"] > 0


def test_a_folder_without_raws_is_an_error(tmp_path):
    """
    Said in a sentence, with what to do.
    """
    with pytest.raises(SetupError, match="holds no raw files"):
        speed.run(tmp_path)


def test_commands_print_text_or_json(tmp_path, capsys):
    """
    One result is itself, several are a list under "benches".
    """
    save(tmp_path / "a.png", picture())
    camera = {"Kmin": 0.4, "Profile-1": {scale: {"slope": 0.5, "bias": 0} for scale in ("g_scale", "R_scale")}}
    (tmp_path / "cameras.json").write_text(json.dumps({"One": camera}))

    assert flexispd(["bench", "demosaic", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bench"] == "demosaic"

    cameras = str(tmp_path / "cameras.json")
    assert flexispd(["bench", "denoise", str(tmp_path), "--cameras", cameras, "--json"]) == 0
    assert [b["bench"] for b in json.loads(capsys.readouterr().out)["benches"]] == ["denoise", "denoise-cameras"]

    assert flexispd(["bench", "denoise", str(tmp_path)]) == 0
    assert "# denoise: " in capsys.readouterr().out


def test_two_looks_of_a_frame_are_measured_beside_each_alone(tmp_path, monkeypatch):
    """
    A row for every shipped profile of the same model set but the first, each with the frame's cost in units of one.
    """
    random = np.random.default_rng(0)
    values = random.integers(600, 9000, (120, 160)).astype(np.uint16)
    shot = ShotInfo("Maker", "Body", as_shot_neutral=(0.5, 1.0, 0.6))
    (tmp_path / "a.dng").write_bytes(write_dng(Mosaic(values, CFA.GBRG, (512.0,) * 4, (16383.0,) * 4, shot)))
    monkeypatch.setattr(looks, "REPEATS", 1)

    rows = looks.run(tmp_path, "cpu").as_json()["rows"]

    names = [row["profile"] for row in rows]
    assert {"vivid-night", "clean-city", "starry-sky"} <= set(names)
    assert not {"natural", "deep-flexisp-2022"} & set(names)
    for row in rows:
        assert row["times_natural"] > 0
        assert row["times_one"] > 0

"""The other commands, and what all of them have in common."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer

from flexispd import __version__, weights
from flexispd.cli.main import app, run
from flexispd.cli.output import explained, print_json
from flexispd.demo import night_raw
from flexispd.profile import load_profile, parse_profile, user_profiles
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Mosaic, NoiseProfile, ShotInfo

HEAVY = ("torch", "cv2", "rawpy", "numpy", "PIL", "tifffile", "structlog", "safetensors", "exifread")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that travel by environment end with the test."""
    monkeypatch.setenv("FLEXISPD_LOG_LEVEL", "warning")


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command and group below one, with its full name."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{path} {name}")


ALL = dict(commands(typer.main.get_command(app), "flexispd"))


@pytest.mark.parametrize("path", ALL)
def test_every_command_and_option_is_documented(path: str) -> None:
    """
    `--help` answers a new user's question: what is it for, what does each option mean, what next.
    """
    command = ALL[path]
    lines = [line for line in (command.help or "").splitlines() if line.strip()]

    assert lines, f"{path} has no help"
    assert lines[0].strip().endswith("."), f"{path}: the summary is a sentence"
    if not hasattr(command, "commands"):
        assert len(lines) > 1, f"{path}: a second paragraph answers the next question"
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{path} {parameter.name} is not documented"


@pytest.mark.parametrize("path", ALL)
def test_every_help_can_be_printed(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    `--help` works everywhere and ends with success.
    """
    assert run([*path.split()[1:], "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: {path}")


@pytest.mark.parametrize("line", ["--help", "--version", "profile list", "render --help", "profil"])
def test_light_commands_load_nothing_heavy(line: str) -> None:
    """
    What needs no picture needs no torch: the answer comes at once.
    """
    script = (
        "import sys; from flexispd.cli.main import run; run(sys.argv[1:]);"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "LOADED []" in done.stdout


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """
    `flexispd --version` prints the name and the version.
    """
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"flexispd {__version__}\n"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Somebody who types `flexispd` only wants to know what it can do.
    """
    assert run([]) == 2
    assert "Usage: flexispd" in "".join(capsys.readouterr())


def test_profiles_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Name and description, or JSON.
    """
    assert run(["profile", "list"]) == 0
    assert "vivid-night" in capsys.readouterr().out
    assert run(["profile", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["profiles"]
    assert {"natural", "neutral", "vivid-night"} <= {row["name"] for row in rows}


def test_a_broken_profile_does_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """
    It is named on stderr, and the exit code is 78.
    """
    user_profiles().mkdir(parents=True)
    (user_profiles() / "broken.toml").write_text("[render]\ncontrast = 9")

    assert run(["profile", "list"]) == 78

    printed = capsys.readouterr()
    assert "natural" in printed.out
    assert "broken.toml, line 2, column 12: [render] contrast must lie in 0.5 .. 2" in printed.err


@pytest.mark.parametrize("name", ["neutral", "natural", "vivid-night", "deep-flexisp-2022"])
def test_what_is_shown_is_itself_a_profile(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    `profile show NAME > mine.toml` is the start of one's own.
    """
    assert run(["profile", "show", name]) == 0

    shown, original = parse_profile(capsys.readouterr().out, name), load_profile(name)
    assert (shown.model, shown.description) == (original.model, original.description)
    assert (shown.denoise, shown.white_balance) == (original.denoise, original.white_balance)
    assert (shown.render, shown.export) == (original.render, original.export)
    assert run(["profile", "show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == original.sha256


def test_a_profile_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    0 and a sentence, or 78 and the line.
    """
    path = tmp_path / "mine.toml"
    path.write_text("[render]\ncontrast = 1.2\n")
    assert run(["profile", "check", str(path)]) == 0
    assert "is a valid profile, called mine" in capsys.readouterr().out
    assert run(["profile", "check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True

    path.write_text("[render]\ncontrats = 1.2\n")
    assert run(["profile", "check", str(path)]) == 78
    assert "Did you mean contrast?" in capsys.readouterr().err


def test_a_raw_is_described_with_its_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Every field comes with who said it.
    """
    path = tmp_path / "night.dng"
    path.write_bytes(night_raw(240, 160))

    assert run(["info", str(path), "--json"]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert (facts["width"], facts["height"], facts["cfa"]) == (240, 160, "RGGB")
    assert facts["metadata"]["iso"] == {"value": 3200.0, "source": "exif"}
    assert facts["noise_profile"]["source"] == "exif"
    assert run(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "iso                3200  [exif]" in printed
    assert "size               240 x 160" in printed


def test_info_tells_the_noise_profile_that_rendering_uses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile that no sensor has is not shown as if it were used; the estimate is, with the reason."""
    values = (600 + np.random.default_rng(0).normal(0, 9, (64, 80))).astype(np.uint16)
    absurd = NoiseProfile((0.5,) * 4, (0.5,) * 4, "exif")
    shot = ShotInfo(as_shot_neutral=(0.5, 1.0, 0.6), noise_profile=absurd)
    raw = tmp_path / "a.dng"
    raw.write_bytes(write_dng(Mosaic(values, CFA.RGGB, (512.0,) * 4, (16383.0,) * 4, shot)))

    assert run(["info", str(raw), "--json"]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert facts["noise_profile"]["source"] == "estimated"
    assert any("noise profile" in warning for warning in facts["warnings"])


def test_info_wants_one_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A folder is a usage error, and so is a file that is not there.
    """
    assert run(["info", str(tmp_path)]) == 2
    assert run(["info", str(tmp_path / "no.dng")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_the_shipped_weights_are_listed_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The package's own networks are all there and unaltered.
    """
    assert run(["weights", "list", "--json"]) == 0
    networks = json.loads(capsys.readouterr().out)["networks"]
    assert {(n["model"], n["stage"]) for n in networks} >= {
        ("flexispd-s", stage) for stage in ("denoise", "white-balance", "demosaic")
    }
    assert run(["weights", "list"]) == 0
    assert run(["weights", "verify"]) == 0
    assert "0 wrong" in capsys.readouterr().out


@pytest.mark.parametrize("left", [None, "", "denoise"])
def test_shipped_networks_that_are_missing_are_found(
    left: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A manifest that is gone, empty or short of a stage is an error of `verify` and of `list`.
    """
    shipped = next(entry for entry in weights.list_entries() if entry.stage == "denoise")
    shutil.copy(shipped.path, tmp_path)
    if left is not None:
        weights.write_manifest(tmp_path / "manifest.toml", [shipped] if left else [])
    monkeypatch.setattr(weights, "data_folder", lambda _: tmp_path)

    for command in ("verify", "list"):
        assert run(["weights", command]) == 1
        assert "error: " in capsys.readouterr().err
        assert run(["weights", command, "--json"]) == 1
        error = json.loads(capsys.readouterr().out)["error"]
        assert error["kind"] == "WeightsError"
        assert "manifest.toml" in error["problem"]


def test_an_altered_weight_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `weights verify` names it, and the exit code is 1.
    """
    monkeypatch.setenv("FLEXISPD_WEIGHTS", str(tmp_path))
    (tmp_path / "mine").mkdir()
    texts = "".join(f'{key} = "x"\n' for key in ("architecture", "licence", "trained", "data"))
    entry = f'[[network]]\nmodel = "mine"\nstage = "denoise"\nfile = "w"\nsha256 = "{64 * "0"}"\n{texts}'
    (tmp_path / "mine" / "manifest.toml").write_text(entry)
    (tmp_path / "mine" / "w").write_text("altered")

    assert run(["weights", "verify", "--json"]) == 1

    printed = capsys.readouterr()
    assert [n["ok"] for n in json.loads(printed.out)["networks"] if n["model"] == "mine"] == [False]
    assert "SHA-256" in printed.err


def test_an_import_from_an_empty_folder_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Nothing is imported, and the message names a file.
    """
    assert run(["weights", "import", str(tmp_path)]) == 1

    assert "error: " in capsys.readouterr().err
    assert not (Path(os.environ["XDG_DATA_HOME"]) / "flexispd" / "weights" / "deep-flexisp-2022").exists()


def test_a_short_training_makes_a_weight_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `train demosaic` ends with a file and its manifest; the photographs are any JPEG or PNG.
    """
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    (tmp_path / "photos").mkdir()
    for number in range(17):
        photo = random.integers(0, 255, (96, 96, 3), np.uint8)
        (tmp_path / "photos" / f"{number}.png").write_bytes(cv2.imencode(".png", photo)[1].tobytes())

    head = 'stage = "demosaic"\narchitecture = "demosaic-unet"\nmodel = "mine"\n'
    (tmp_path / "mine.toml").write_text(head + "[schedule]\nsteps = 9\n[data]\npatch_px = 64\n")
    command = ["train", "demosaic", "--photos", "photos", "--weights", "made", "--recipe", "mine.toml", "--json"]
    assert run([*command, "--steps", "3", "--minutes", "1e-4"]) == 2  # no training is that short
    capsys.readouterr()
    assert run([*command, "--steps", "3", "--device", "cpu"]) == 0

    made = json.loads(capsys.readouterr().out)
    assert (tmp_path / made["file"]).is_file()
    assert made["sha256"] in (tmp_path / "made" / "manifest.toml").read_text()
    assert run(["train", "denoise", *command[2:], "--spectra", "mine.toml"]) == 78
    assert "flexispd train demosaic" in capsys.readouterr().err


def test_a_benchmark_prints_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    `bench demosaic` measures our network beside LibRaw's methods.
    """
    ramp = np.linspace(0, 255, 96 * 96 * 3).reshape(96, 96, 3).astype(np.uint8)
    (tmp_path / "one.png").write_bytes(cv2.imencode(".png", ramp)[1].tobytes())

    assert run(["bench", "demosaic", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"bench", "machine", "rows", "notes"}
    assert {"S", "LibRaw AHD"} <= {row["method"] for row in result["rows"]}
    assert all("cpsnr_db" in row for row in result["rows"])
    assert run(["bench", "demosaic", str(tmp_path)]) == 0
    assert "LibRaw AHD" in capsys.readouterr().out


def test_a_benchmark_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A folder that does not exist is a usage error.
    """
    assert run(["bench", "speed", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("profile show naturel --json", "ConfigError"),
        ("render x.dng --outbox o --profile naturel --json", "ConfigError"),
        ("info x.dng --json", "UsageError"),
    ],
)
def test_an_error_before_any_result_is_json_too(line: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Whoever asked for JSON gets a document, and the two lines on stderr as well.
    """
    assert run(line.split()) != 0

    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert error["kind"] == kind
    assert printed.err == f"error: {error['problem']}\n  fix: {error['remedy']}\n"


def test_streams_that_were_closed_lead_nowhere() -> None:
    """
    As cron jobs and init scripts may close them: an exit code says the same, and no file gets their numbers.
    """
    words = [sys.executable, "-m", "flexispd", "status", "--config", "/nowhere/config.toml"]
    program = f"import os; os.closerange(0, 3); os.execv({sys.executable!r}, {words!r})"

    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert done.returncode == 78


def test_a_full_disk_under_stdout_is_no_bug() -> None:
    """
    One error, one remedy, exit code 1.
    """
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "flexispd", "profile", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: The output cannot be written: No space left on device.\n  fix: ")
    assert len(done.stderr.splitlines()) == 2


def test_a_reader_that_goes_away_is_no_bug() -> None:
    """
    `flexispd profile list | head -1` ends without a word.
    """
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "flexispd", "profile", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (done.returncode, done.stderr) == (1, "")


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback() -> None:
    """
    The entry point imports nothing before it is ready for it.
    """
    script = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "from flexispd.__main__ import main\n"
        "sys.meta_path.insert(0, Interrupt()); main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (130, "")


def test_json_holds_what_json_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Paths, arrays and numpy numbers become text and numbers.
    """
    print_json({"path": Path("a\nb"), "array": np.eye(2), "number": np.float32(2)})

    assert json.loads(capsys.readouterr().out) == {"path": "a\\nb", "array": [[1, 0], [0, 1]], "number": 2}
    with pytest.raises(TypeError):
        print_json({"x": object()})


def test_memory_that_runs_out_is_no_bug() -> None:
    """
    The remedy is about memory, not about reporting.
    """
    assert explained(MemoryError())[0] == "There is not enough memory."

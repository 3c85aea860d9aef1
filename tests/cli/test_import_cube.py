"""`flexispd profile import` of a .cube table: a copy beside the profile that uses it."""

from pathlib import Path

from flexispd.cli.main import run
from flexispd.profile import load_profile, user_profiles

CUBE = 'TITLE "x"\nLUT_3D_SIZE 2\n' + "".join(
    f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1)
)  # fmt: skip


def test_a_table_lies_beside_the_profile_that_uses_it(tmp_path: Path) -> None:
    """
    The copy is under the profile's name; the original stays where it was.
    """
    table = tmp_path / "Film 400.cube"
    table.write_text(CUBE)

    assert run(["profile", "import", str(table)]) == 0

    assert (user_profiles() / "film-400.cube").read_text() == CUBE
    assert load_profile("film-400").lut.file.endswith("film-400.cube")
    assert table.read_text() == CUBE


def test_a_broken_table_is_refused(tmp_path: Path) -> None:
    """
    Before anything is written.
    """
    table = tmp_path / "broken.cube"
    table.write_text("LUT_3D_SIZE 2\n0 0 0\n")

    assert run(["profile", "import", str(table)]) == 78

    assert not user_profiles().exists()

"""The daemon's configuration is read exactly or not at all, and no folder may lie in another's way."""

import os
import threading
from contextlib import suppress
from dataclasses import MISSING, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd import config as configuration
from flexispd import toml_reference
from flexispd.config import (
    ArrivalParams,
    Config,
    LogParams,
    OutputParams,
    WorkerParams,
    config_path,
    config_text,
    default_paths,
    load_config,
    overlap,
    parse_config,
    reference,
)
from flexispd.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parent.parent
LEAST = "inbox = '/in'\noutbox = '/out'\n"
FILE = Path("/etc/mine.toml")


def parsed(more: str) -> Config:
    return parse_config(LEAST + more, FILE)


def refused(text: str) -> ConfigError:
    """The error that this configuration gives."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, FILE)
    assert caught.value.remedy
    return caught.value


def users_config(text: str = LEAST) -> Path:
    path = default_paths(system=False).config
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_is_left_out_has_its_default() -> None:
    """
    Two folders are all that a configuration needs.
    """
    config = parsed("")

    assert config == Config(
        path=FILE, inboxes=(Path("/in"),), outbox=Path("/out"), state=default_paths(system=False).state
    )
    assert config.arrival == ArrivalParams(2.0, 10.0, "auto", 600.0, 30.0, "auto")
    assert config.worker == WorkerParams("auto", 0, 300.0, 0, 1000, 3)
    assert config.output == OutputParams("{folder}/{stem}.{profile}", 2000)
    assert config.log == LogParams("info", 20, 10)


def test_every_value_arrives_where_it_belongs() -> None:
    """
    One inbox or several; every section.
    """
    config = parse_config(
        """
        inbox = ["/a", "/b"]
        outbox = "/o"
        state = "/s"
        profile = "vivid night"
        ignore = ["*_proxy.*"]
        [arrival]
        quiet_s = 5
        watch = "scan"
        [worker]
        device = "cuda:1"
        memory_max_mb = 4000
        [output]
        name = "{date}/{stem}.{profile}"
        [log]
        level = "debug"
        """,
        FILE,
    )

    assert (config.inboxes, config.outbox, config.state) == ((Path("/a"), Path("/b")), Path("/o"), Path("/s"))
    assert (config.profile, config.ignore) == ("vivid night", ("*_proxy.*",))
    assert (config.arrival.quiet_s, config.arrival.watch) == (5.0, "scan")
    assert (config.worker.device, config.worker.memory_max_mb) == ("cuda:1", 4000)
    assert (config.output.name, config.log.level) == ("{date}/{stem}.{profile}", "debug")


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("inbx = '/in'", 1, "inbox"),
        ("inboxes = '/in'", 1, "inbox"),
        ("\n[arival]\nquiet_s = 1", 2, "arrival"),
        ("[arrival]\nquite_s = 1", 2, "quiet_s"),
        ("[worker]\nthreads = 1\njob_timeout = 3", 3, "job_timeout_s"),
        ("log.levle = 'info'", 1, "level"),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_key(text: str, line: int, expected: str) -> None:
    """
    A key that nobody reads is a wish that nobody grants.
    """
    error = refused(text)

    assert f"/etc/mine.toml, line {line}, column" in error.problem
    assert f"Did you mean {expected}?" in error.remedy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "inbox is not set"),
        ("inbox = '/in'", "outbox is not set"),
        ("inbox = 3", "must be a path in quotes"),
        ("inbox = []", "must name at least one folder"),
        ("inbox = ['/a', 3]", "must be a path in quotes"),
        ("inbox = 'in'", "must be an absolute path"),
        ("inbox = ''", "must be an absolute path"),
        ("inbox = '~nobody-of-this-name/in'", "must be an absolute path"),
        ("inbox = '/a/../b'", 'must be a path without ".."'),
        ('inbox = "/a\\u0000b"', "must be a path without"),
        (f"inbox = '/{'x/' * 3000}'", "must be a path without"),
        (LEAST + "ignore = '*.tmp'", "line 3, column 10: ignore must be a list of texts"),
        (LEAST + "ignore = ['a/b']", "must be patterns of names"),
        (LEAST + "[arrival]\nquiet_s = 0", "must lie in 0.1 .. 3600 s, and is 0"),
        (LEAST + "[arrival]\nsidecars = 'maybe'", 'must be one of "auto", "always", "never"'),
        (LEAST + "[worker]\nmemory_max_mb = 20", "must lie in 0, 300 .. 10000000, and is 20"),
        (LEAST + "[worker]\ndevice = 'gpu'", 'must be "auto", "cpu", "cuda" or "cuda:N"'),
        (LEAST + "[worker]\ndevice = 1", "must be a text in quotes"),
        (
            LEAST + "[output]\nname = '{stm}'",
            "line 4, column 8: [output] name has no field {stm}; did you mean",
        ),
        (LEAST + "arrival = 3", "must be a section, [arrival], not 3"),
        (LEAST + "outbox = '/twice'", "the same key is given twice"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(text: str, expected: str) -> None:
    """
    Types are exact, numbers in range, and paths lead to one place.
    """
    error = refused(text)

    assert expected in error.problem
    assert "profile show" not in error.remedy


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_a_configuration_error(text: str) -> None:
    """
    No text gets past the parser as any other exception.
    """
    with suppress(ConfigError):
        parse_config(LEAST + text, FILE)


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    As in a shell, whatever blanks or quotes a name holds.
    """
    monkeypatch.setenv("HOME", "/home/me")

    config = parse_config("inbox = '~/my \"in\"'\noutbox = '~/out'", FILE)

    assert (config.inboxes, config.outbox) == ((Path('/home/me/my "in"'),), Path("/home/me/out"))


def test_the_users_file_goes_before_the_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    --config, $FLEXISPD_CONFIG, the user's, the system's; with none of them the remedy is `flexispd init`.
    """
    system = replace(configuration.SYSTEM, config=tmp_path / "etc.toml", state=tmp_path / "var")
    monkeypatch.setattr(configuration, "SYSTEM", system)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert "flexispd init" in caught.value.remedy

    system.config.write_text(LEAST)
    assert (config_path(), load_config().state) == (system.config, system.state)

    path = users_config()
    assert (config_path(), load_config().state) == (path, default_paths(system=False).state)

    monkeypatch.setenv("FLEXISPD_CONFIG", str(tmp_path / "third.toml"))
    assert config_path() == tmp_path / "third.toml"
    with pytest.raises(ConfigError, match=r"third\.toml does not exist"):
        load_config()
    assert load_config(path).path == path


def test_a_link_that_leads_nowhere_is_not_passed_over() -> None:
    """
    The user's file was meant; taking the system's instead would surprise.
    """
    path = users_config()
    path.unlink()
    path.symlink_to("nowhere.toml")

    with pytest.raises(ConfigError, match="does not exist"):
        load_config()


def test_a_relative_file_is_remembered_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The daemon reads it again later, from wherever.
    """
    (tmp_path / "mine.toml").write_text(LEAST)
    monkeypatch.chdir(tmp_path)

    assert load_config(Path("mine.toml")).path == tmp_path / "mine.toml"


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ("inbox = '/in'\noutbox = '/in/out'", "line 2, column 10: outbox lies in the inbox /in"),
        ("inbox = '/in'\noutbox = '/in'", "line 2, column 10: outbox lies in the inbox /in"),
        ("inbox = '/'\noutbox = '/out'", "line 2, column 10: outbox lies in the inbox /"),
        ("outbox = '/out'\ninbox = ['/in', '/out/in']", "line 2, column 9: inbox /out/in lies in the outbox"),
        ("inbox = ['/in', '/in/b']\noutbox = '/out'", "line 1, column 9: inbox /in/b and /in lie in one another"),
        ("inbox = ['/in/b', '/in']\noutbox = '/out'", "line 1, column 9: inbox /in and /in/b lie in one another"),
        ("inbox = ['/in', '/in']\noutbox = '/out'", "twice"),
        (LEAST + "state = '/in/state'", "line 3, column 9: state lies in the inbox /in"),
    ],
)
def test_folders_that_lie_in_one_another_are_refused(folders: str, expected: str) -> None:
    """
    Pictures would be taken for captures, captures found twice, or an inbox written to.
    """
    assert expected in refused(folders).problem


def test_similar_names_are_different_folders() -> None:
    """
    /in and /inner have nothing to do with one another.
    """
    assert overlap([Path("/in"), Path("/in2")], Path("/inner"), Path("/inn")) is None


def test_links_hide_nothing(tmp_path: Path) -> None:
    """
    Folders are compared where they really are; also below a part that does not exist yet.
    """
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in")

    assert overlap([tmp_path / "in"], tmp_path / "link" / "not yet", tmp_path / "state") is not None
    assert overlap([tmp_path / "link"], tmp_path / "in" / "out", tmp_path / "state") is not None


def test_a_circle_of_links_is_no_crash(tmp_path: Path) -> None:
    """
    It is a folder that cannot be reached, as one that does not exist.
    """
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert overlap([tmp_path / "a"], tmp_path / "out", tmp_path / "state") is None


def test_a_volume_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    As a network drive whose server is gone; what can be told from the paths is still told.
    """
    answer = threading.Event()
    realpath = os.path.realpath

    def hangs(path: Path) -> str:
        if "nas" in path.parts:
            answer.wait()
        return realpath(path)

    monkeypatch.setattr(os.path, "realpath", hangs)
    monkeypatch.setattr(configuration, "LOOK_UP_S_MAX", 0.01)
    nas = tmp_path / "nas"

    assert overlap([nas / "in"], nas / "out", tmp_path) is None
    assert overlap([nas / "in"], nas / "in" / "out", tmp_path) is not None
    answer.set()


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), max_size=3))
def test_what_init_writes_can_be_read_again(names: list[str]) -> None:
    """
    Whatever the folders are called, and with nothing said but them: all else has its default.
    """
    inboxes = tuple(Path(f"/in{nth}/{name}.") for nth, name in enumerate(["x", *names]))
    values = {"inbox": inboxes, "outbox": Path("/out"), "state": Path("/state")}

    config = parse_config(config_text(values), FILE)

    assert config == Config(path=FILE, inboxes=inboxes, outbox=Path("/out"), state=Path("/state"))


def test_a_new_file_shows_every_key_with_its_default() -> None:
    """
    Taking away the # in front of every key changes nothing.
    """
    values = {"inbox": (Path("/in"),), "outbox": Path("/out"), "state": Path("/state")}
    text = config_text(values)
    knobs = list(toml_reference.knobs(configuration._RECORDS))

    for knob in knobs:
        if knob.default is not MISSING:
            commented = f"# {knob.key} = {toml_reference.as_toml(knob.default)}\n"
            assert text.count(f"\n{commented}") == 1
            text = text.replace(commented, commented[2:])
        assert f"# {knob.doc}\n" in text

    assert parse_config(text, FILE) == parse_config(config_text(values), FILE)


def test_every_default_is_allowed_and_explained() -> None:
    """
    What a configuration can set is declared once, completely.
    """
    for knob in toml_reference.knobs(configuration._RECORDS):
        assert knob.doc.endswith("."), knob
        if knob.default is not MISSING:
            default = list(knob.default) if isinstance(knob.default, tuple) else knob.default
            assert knob.allowed.parse(default) == knob.default


def test_the_documentation_lists_what_the_code_declares() -> None:
    """
    The tables of docs/configuration.md are the output of `flexispd.config.reference()`.
    """
    text = (REPOSITORY / "docs" / "configuration.md").read_text()

    assert reference() in text, "put the output of flexispd.config.reference() into docs/configuration.md"
    for place in vars_of(configuration.SYSTEM):
        assert f"`{place}`" in text


def vars_of(places: configuration.Places) -> list[Path]:
    return [places.config, places.inbox, places.outbox, places.state]


def test_the_users_places_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    XDG_STATE_HOME and XDG_CONFIG_HOME when they are absolute, the home folder otherwise.
    """
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("XDG_CONFIG_HOME", os.sep + "conf")

    places = default_paths(system=False)

    assert places.state == Path("/home/me/.local/state/flexispd")
    assert places.config == Path("/conf/flexispd/config.toml")
    assert places.inbox == Path("/home/me/Pictures/flexispd/inbox")

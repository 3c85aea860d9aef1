"""The line and the column of everything in a TOML file are found, and agree with the parser."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.toml_places import KeyPath, line_and_column, places
from flexispd.toml_reference import as_toml

EVERYTHING = (
    r'''# a comment = 1
title = "a \"quoted\" # text" # and a comment
"quoted key" = 'single "quotes"'
many.dotted . keys = 0x1F
when = 1979-05-27T07:32:00Z
long = """
[not.a.section]
key = 1 \
"""
raw = '''
    + """'''\n[nor]\nthis = '''"""
    + r"""
points = [ [0, 0.5], # [9, 9]
  [1, 1],
]
inline = { a = 1, b.c = [ { d = "}" }, { d = ']' } ], "e f" = true }

  [section]
  key = 1
	tab	=	2

[section.inner."odd.name"]
key = 3

[[array]]
key = 1
[array.look.render]
key = 4
[[array]]
[array.look]
key = 5
[[array.nested]]
key = 6
[[array.nested]]
key = 7
[last]"""
)


def scalars(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value in a parsed file that holds no others, with its path."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(inner, (*path, key))
    else:
        yield path, value


@pytest.mark.parametrize("text", [EVERYTHING, EVERYTHING.replace("\n", "\r\n"), "", "# nothing", "a=1"])
def test_every_value_is_found_where_it_stands(text: str) -> None:
    """
    What stands at the place is the value.
    """
    found = places(text)

    for path, value in scalars(tomllib.loads(text)):
        rest = text[found[path].value :]
        if not isinstance(value, str):
            rest = rest.split("\n")[0].split("#")[0].split(",")[0].split("]")[0].split("}")[0].strip()
            assert tomllib.loads(f"x = {rest}")["x"] == value, path
        else:
            assert rest[0] in "\"'", path


def test_sections_and_their_elements_are_found() -> None:
    """
    At their headers; an array where its first element is.
    """
    found = places(EVERYTHING)

    assert EVERYTHING[found["array", 1].key :].startswith("[[array]]\n[array.look]")
    assert EVERYTHING[found["array", 1, "nested", 1].key :].startswith("[[array.nested]]\nkey = 7")
    assert EVERYTHING[found["section", "inner", "odd.name"].key :].startswith('[section.inner."odd.name"]')
    assert EVERYTHING[found["inline", "b", "c", 1, "d"].key :].startswith("d = ']'")


def test_lines_and_columns_count_from_one() -> None:
    """
    A column is a character, whatever it takes in bytes.
    """
    assert line_and_column("äb\ncd", 0) == (1, 1)
    assert line_and_column("äb\ncd", 1) == (1, 2)
    assert line_and_column("äb\ncd", 3) == (2, 1)


@given(st.text(max_size=300) | st.text(alphabet="[]{}=.,#'\"\n a1\\", max_size=100))
def test_any_text_has_places(text: str) -> None:
    """
    Also one that is no TOML, as far as it goes.
    """
    for place in places(text).values():
        assert 0 <= place.key <= len(text)


_KEYS = st.text(alphabet="abc", min_size=1, max_size=2)
_VALUES = st.recursive(
    st.integers(-9, 9).map(str) | st.text(max_size=5).map(as_toml),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(_KEYS, inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4), st.dictionaries(_KEYS, _VALUES, max_size=3))
def test_values_within_values_are_found(top: dict[str, str], inner: dict[str, str]) -> None:
    """
    However tables and arrays are nested.
    """
    text = "\n".join(f"{key} = {value}" for key, value in top.items())
    text += "\n[[long]]\n[[long]]\n" + "\n".join(f"{key} = {value}" for key, value in inner.items())
    found = places(text)

    for path, _ in scalars(tomllib.loads(text)):
        assert path in found, text

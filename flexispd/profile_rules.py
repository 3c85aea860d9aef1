"""
Conditions on a frame: the `when` of a profile's rules, such as `iso >= 1600 and lens ~ "35mm"`.

    condition   conjunction { "or" conjunction }
    conjunction negation { "and" negation }
    negation    "not" negation | comparison
    comparison  sum [ ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~") sum ]
    sum         product { ("+" | "-") product }
    product     unary { ("*" | "/") unary }
    unary       "-" unary | number | "text" | 'text' | field | "(" condition ")"

A number is compared with a number and a text with a text, without regard to case; `~` asks whether the left text
contains the right one. A comparison with a field that the frame does not have is not fulfilled, whatever it asks.
What does not fit together is found when the condition is read, not when the first frame comes.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # it needs numpy, which commands that only read a profile need not wait for
    from flexispd.types import ShotInfo

LENGTH_MAX = 500
"""Characters of a condition."""

DEPTH_MAX = 20
"""Brackets, `not` and signs within one another."""

NUMBERS = ("iso", "exposure_s", "f_number", "focal_length_mm", "hour")
TEXTS = ("date", "make", "model", "camera", "lens")
FIELDS = (*NUMBERS, *TEXTS)
"""What a condition may ask for; `fields_of` says where each comes from, docs/profiles.md what it is."""

Value = float | str | bool | None
Kind = Literal["number", "text", "condition"]


class ConditionError(ValueError):
    """A condition that cannot be read: the end of a sentence, and the character that it is about, from 0."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a condition that has been read: what it is, and its value for the fields of a frame."""

    kind: Kind
    value: Callable[[Mapping[str, Value]], Value]
    constant: bool = False


def check_condition(text: str) -> None:
    """ConditionError for what is no condition."""
    read_condition(text)


@cache
def read_condition(text: str) -> Condition:
    """A condition from its text. ConditionError where it does not follow the grammar, or can never be answered."""
    if len(text) > LENGTH_MAX:
        raise ConditionError(f"must have at most {LENGTH_MAX} characters", LENGTH_MAX)
    return _Parser(text).whole()


def fulfilled(text: str, shot: ShotInfo) -> bool:
    """Whether a frame fulfils a condition. ZeroDivisionError where the frame makes it divide by zero."""
    return read_condition(text).value(fields_of(shot)) is True


def fields_of(shot: ShotInfo) -> dict[str, Value]:
    """The fields of a frame that conditions may ask for; None where it does not have one."""
    date, hour = None, None
    if taken := re.match(r"(\d{4}):(\d\d):(\d\d)[ T](\d\d):(\d\d):(\d\d)", shot.taken_at or ""):
        date = "-".join(taken.groups()[:3])
        hour = int(taken[4]) + int(taken[5]) / 60 + int(taken[6]) / 3600
    return {
        "iso": shot.iso,
        "exposure_s": shot.exposure_s,
        "f_number": shot.f_number,
        "focal_length_mm": shot.focal_length_mm,
        "hour": hour,
        "date": date,
        "make": shot.make,
        "model": shot.model,
        "camera": " ".join(part for part in (shot.make, shot.model) if part) or None,
        "lens": shot.lens,
    }


_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<text>\"[^\"]*\"|'[^']*')|(?P<word>[^\W\d]\w*)"
    r"|(?P<sign>==|!=|<=|>=|[=<>~()+*/-])|(?P<end>$)|(?P<wrong>.))"
)

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Token:
    sort: str  # "number", "text", "word", "sign" or "end"
    text: str  # signs and words in lower case
    offset: int


class _Parser:
    """Reads a condition from left to right, one method for each line of the grammar."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Condition:
        result = self._of("condition", self._condition)
        if self._next.sort != "end":
            raise ConditionError(f"cannot go on with {self._next.text} here", self._next.offset)
        return result

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *signs: str) -> _Token | None:
        token = self._next
        if token.sort not in ("sign", "word") or token.text not in signs:
            return None
        self._at += 1
        return token

    def _of(self, kind: Kind, part: Callable[[], Condition]) -> Condition:
        """The next part, which has to be of this kind."""
        begin = self._next
        found = part()
        if found.kind != kind:
            raise ConditionError(f"has a {found.kind} where a {kind} is needed", begin.offset)
        return found

    def _chain(
        self,
        kind: Kind,
        part: Callable[[], Condition],
        signs: tuple[str, ...],
        join: Callable[[_Token, Condition, Condition], Condition],
    ) -> Condition:
        """Parts of one kind between signs, joined from the left; without a sign, one part of whatever kind."""
        begin, left = self._next, part()
        while sign := self._take(*signs):
            if left.kind != kind:
                raise ConditionError(f"has a {left.kind} where a {kind} is needed", begin.offset)
            left = join(sign, left, self._of(kind, part))
        return left

    def _condition(self) -> Condition:
        return self._chain("condition", self._conjunction, ("or",), _either)

    def _conjunction(self) -> Condition:
        return self._chain("condition", self._negation, ("and",), _both)

    def _negation(self) -> Condition:
        if self._take("not"):
            return _negated(self._deeper(lambda: self._of("condition", self._negation)))
        return self._comparison()

    def _comparison(self) -> Condition:
        begin, left = self._next, self._sum()
        if not (sign := self._take(*_COMPARISONS, "~")):
            return left
        if left.kind == "condition" or (sign.text == "~" and left.kind != "text"):
            needed = "text" if sign.text == "~" else "number or a text"
            raise ConditionError(f"has a {left.kind} where a {needed} is needed", begin.offset)
        return _compared(sign, left, self._of(left.kind, self._sum))

    def _sum(self) -> Condition:
        return self._chain("number", self._product, ("+", "-"), _calculated)

    def _product(self) -> Condition:
        return self._chain("number", self._unary, ("*", "/"), _calculated)

    def _unary(self) -> Condition:
        if sign := self._take("-"):
            zero = Condition("number", lambda _: 0.0, constant=True)
            return _calculated(sign, zero, self._deeper(lambda: self._of("number", self._unary)))
        if self._take("("):
            inner = self._deeper(self._condition)
            if not self._take(")"):
                raise ConditionError("lacks a closing bracket here", self._next.offset)
            return inner
        return self._atom()

    def _atom(self) -> Condition:
        token = self._next
        if token.sort == "number":
            known: Value = float(token.text)
        elif token.sort == "text":
            known = token.text[1:-1].casefold()
        elif token.sort == "word" and token.text in FIELDS:
            self._at += 1
            return _field(token.text)
        elif token.sort == "word":
            near = difflib.get_close_matches(token.text, FIELDS, n=1)
            meant = f" (did you mean {near[0]}?)" if near else f"; it has {', '.join(FIELDS)}"
            raise ConditionError(f"asks for {token.text}, which no frame has{meant}", token.offset)
        else:
            raise ConditionError(
                f"needs a number, a text in quotes or a field before {token.text or 'its end'}", token.offset
            )
        self._at += 1
        return Condition("text" if token.sort == "text" else "number", lambda _: known, constant=True)

    def _deeper(self, part: Callable[[], Condition]) -> Condition:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ConditionError(f"goes more than {DEPTH_MAX} levels deep", self._next.offset)
        found = part()
        self._depth -= 1
        return found


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text) or not at:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup in (None, "end"):  # only blanks are left
            break
        sort, at = str(match.lastgroup), match.end()
        found = match[sort]
        if sort == "wrong":
            what = "a text without its closing quote" if found in "\"'" else f"{found}, which means nothing here"
            raise ConditionError(f"has {what}", match.start(sort))
        yield _Token(sort, found if sort == "text" else found.lower(), match.start(sort))
    yield _Token("end", "", len(text))


def _field(name: str) -> Condition:
    if name in NUMBERS:
        return Condition("number", lambda frame: frame[name])

    def folded(frame: Mapping[str, Value]) -> Value:
        text = frame[name]
        return text.casefold() if isinstance(text, str) else None

    return Condition("text", folded)


def _either(_: _Token, left: Condition, right: Condition) -> Condition:
    return Condition(
        "condition", lambda frame: left.value(frame) or right.value(frame), left.constant and right.constant
    )


def _both(_: _Token, left: Condition, right: Condition) -> Condition:
    return Condition(
        "condition", lambda frame: left.value(frame) and right.value(frame), left.constant and right.constant
    )


def _negated(inner: Condition) -> Condition:
    return Condition("condition", lambda frame: not inner.value(frame), inner.constant)


def _compared(sign: _Token, left: Condition, right: Condition) -> Condition:
    compare: Callable[[Any, Any], bool] = operator.contains if sign.text == "~" else _COMPARISONS[sign.text]

    def value(frame: Mapping[str, Value]) -> bool:
        one, other = left.value(frame), right.value(frame)
        return one is not None and other is not None and compare(one, other)

    return Condition("condition", value, left.constant and right.constant)


def _calculated(sign: _Token, left: Condition, right: Condition) -> Condition:
    calculate = _ARITHMETIC[sign.text]

    def value(frame: Mapping[str, Value]) -> Value:
        one, other = left.value(frame), right.value(frame)
        return calculate(one, other) if isinstance(one, float | int) and isinstance(other, float | int) else None

    if sign.text == "/" and right.constant and right.value({}) == 0:
        raise ConditionError("divides by zero", sign.offset)
    return Condition("number", value, left.constant and right.constant)

"""A file is taken only when whoever writes it has finished."""

from hypothesis import given
from hypothesis import strategies as st

from flexispd.capture.records import Observation
from flexispd.capture.settle import Settler

RAW = "/inbox/DSC1.NEF"


def observation(size_bytes: int = 9, mtime_ns: int = 0, ctime_ns: int = 0) -> Observation:
    return Observation(size_bytes, mtime_ns, ctime_ns)


def test_a_still_file_settles_when_it_is_seen_twice() -> None:
    """
    Two equal observations, `quiet_s` apart; the second is asked for when it is due, and the file is given once.
    """
    settler = Settler(quiet_s=2.0)
    settler.observe(RAW, observation(), now_s=10.0)

    assert settler.next_due_s() == 12.0
    assert settler.due(now_s=11.9) == []
    assert settler.due(now_s=12.0) == [RAW]
    assert settler.take_settled() == []

    settler.observe(RAW, observation(), now_s=12.0)

    assert settler.take_settled() == [RAW]
    assert settler.take_settled() == []
    assert len(settler) == 0
    assert settler.due(now_s=99.0) == []


def test_time_alone_settles_nothing() -> None:
    """
    However long ago it was seen: nobody knows what has happened since.
    """
    settler = Settler(quiet_s=2.0)
    settler.observe(RAW, observation(), now_s=0.0)

    assert settler.due(now_s=1000.0) == [RAW]
    assert settler.take_settled() == []


def test_a_growing_file_is_never_taken() -> None:
    """
    A file that changes between observations stays, however long it has been known.
    """
    settler = Settler(quiet_s=2.0)

    for second in range(0, 60, 3):
        settler.observe(RAW, observation(size_bytes=second), now_s=float(second))

        assert settler.due(now_s=second + 2.0) == [RAW]
        assert settler.take_settled() == []


def test_a_file_that_keeps_its_size_may_still_change() -> None:
    """
    A preallocated copy grows in its times only; a program that sets the camera's time changes the inode's.
    """
    settler = Settler(quiet_s=2.0)
    settler.observe(RAW, observation(mtime_ns=1), now_s=0.0)
    settler.observe(RAW, observation(mtime_ns=2), now_s=2.0)
    settler.observe(RAW, observation(mtime_ns=2, ctime_ns=1), now_s=4.0)

    assert settler.take_settled() == []

    settler.observe(RAW, observation(mtime_ns=2, ctime_ns=1), now_s=6.0)

    assert settler.take_settled() == [RAW]


def test_two_looks_too_close_to_one_another_prove_nothing() -> None:
    """
    A hint may come at any time; the second look that counts is still asked for.
    """
    settler = Settler(quiet_s=2.0)
    settler.observe(RAW, observation(), now_s=0.0)
    settler.observe(RAW, observation(), now_s=1.0)

    assert settler.take_settled() == []
    assert settler.due(now_s=2.0) == [RAW]


def test_a_deleted_file_is_forgotten() -> None:
    """
    Whether it was due or not.
    """
    settler = Settler(quiet_s=2.0)
    settler.observe(RAW, observation(), now_s=0.0)
    settler.observe(RAW, None, now_s=1.0)

    assert settler.due(now_s=9.0) == []
    assert RAW not in settler


def test_a_file_that_somebody_knows_to_be_complete_is_taken_at_once() -> None:
    """
    And once.
    """
    settler = Settler(quiet_s=2.0)
    settler.observe(RAW, observation(), now_s=0.0)

    settler.submit(RAW)
    settler.submit(RAW)

    assert settler.take_settled() == [RAW]
    assert settler.due(now_s=9.0) == []


def test_a_file_that_could_not_be_looked_at_is_asked_for_again() -> None:
    """
    It is asked for once at a time, and later again.
    """
    settler = Settler(quiet_s=2.0)
    settler.observe(RAW, observation(), now_s=0.0)

    assert settler.due(now_s=2.0) == [RAW]
    assert settler.due(now_s=5.0) == []

    settler.postpone(RAW, now_s=5.0)

    assert settler.due(now_s=6.9) == []
    assert settler.due(now_s=7.0) == [RAW]


def test_a_settled_file_that_changes_settles_anew() -> None:
    """
    The camera's counter was reset, and the same name has another picture.
    """
    settler = Settler(quiet_s=2.0)
    for size, now_s in ((9, 0.0), (9, 2.0), (7, 5.0), (7, 7.0)):
        settler.observe(RAW, observation(size), now_s)

    assert settler.take_settled() == [RAW, RAW]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 3)), max_size=30))
def test_a_file_is_taken_only_after_it_was_still_for_so_long(looks: list[tuple[int, float]]) -> None:
    """
    For any sequence of looks: a file is taken exactly when it looks as it did at some look `quiet_s` or longer ago, and
    did in between.
    """
    settler = Settler(quiet_s=2.0)
    now_s, since_s, last, moving = 0.0, 0.0, None, False
    for size, pause_s in looks:
        now_s += pause_s
        if size != last or not moving:
            since_s, last, moving = now_s, size, True
            expected = False
        else:
            expected = now_s >= since_s + 2.0
            moving = not expected

        settler.observe(RAW, observation(size), now_s)

        assert (settler.take_settled() == [RAW]) == expected
        assert not moving or settler.next_due_s() is not None

"""Signals become flags, in any number and at any time."""

import os
import select
import signal

import pytest

from flexispd.signals import Signals


@pytest.fixture
def signals():
    """Handlers that are put back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    signals = Signals()
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


def readable(signals: Signals) -> bool:
    return bool(select.select([signals.descriptor], [], [], 0)[0])


def test_the_first_sigterm_asks_to_stop_and_the_second_to_hurry(signals):
    """
    So that a frame in flight may be finished, unless somebody cannot wait.
    """
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.stop
    assert not signals.hurry

    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.hurry


def test_a_hundred_reloads_are_one(signals):
    """
    A storm of SIGHUP costs one reload, and the next one is a new wish.
    """
    for _ in range(100):
        os.kill(os.getpid(), signal.SIGHUP)

    assert signals.take_reload()
    assert not signals.take_reload()
    assert not signals.stop


def test_a_sleeper_is_woken_once(signals):
    """
    Any number of calls makes the descriptor readable, and draining makes it quiet.
    """
    assert not readable(signals)

    for _ in range(100_000):
        signals.wake()
    assert readable(signals)

    signals.drain()
    assert not readable(signals)

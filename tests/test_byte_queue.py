"""What lies between two threads is bounded by its weight."""

import threading

from flexispd.byte_queue import ByteQueue


def test_items_come_out_in_their_order() -> None:
    """
    First in, first out.
    """
    queue: ByteQueue[int] = ByteQueue(10)
    for number in range(3):
        queue.put(number, 3)

    assert [queue.get() for _ in range(3)] == [0, 1, 2]


def test_one_item_of_any_weight_fits() -> None:
    """
    A frame larger than the whole queue is still rendered.
    """
    queue: ByteQueue[str] = ByteQueue(1)
    queue.put("huge", 1 << 40)

    assert queue.get() == "huge"


def test_a_full_queue_makes_its_writer_wait() -> None:
    """
    Many frames are read faster than one is developed, and memory ends.
    """
    queue: ByteQueue[str] = ByteQueue(10)
    queue.put("first", 8)
    put = threading.Event()

    def write() -> None:
        queue.put("second", 3)
        put.set()

    writer = threading.Thread(target=write)
    writer.start()
    waited = not put.wait(0.05)

    assert waited
    assert [queue.get(), queue.get()] == ["first", "second"]
    writer.join(10)
    assert put.is_set()

"""What a frame needed is kept for the next one, and given back when there is none."""

import ctypes
import subprocess
import sys

import pytest

FRAME_MIB = 40

MEASURED = """
import resource
import threading
import torch
from flexispd.develop.memory import give_back_memory, keep_memory

def resident_mib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() >> 20

keep_memory()
torch.ones(1)
first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def frame():
    torch.set_num_threads(1)
    layers = [torch.ones(5 << 18) for _ in range(8)]  # 5 MiB each

for _ in range(50):
    thread = threading.Thread(target=frame)
    thread.start()
    thread.join()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first
kept = resident_mib()
give_back_memory()
print(faults, kept - resident_mib())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library is not glibc")
def test_the_next_frame_gets_the_memory_of_the_last():
    """
    The kernel clears the pages of a few frames, not of fifty; and gets them back when nothing is waiting.
    """
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    pages, given_back_mib = map(int, done.stdout.split())

    assert pages < 5 * FRAME_MIB * 256
    assert given_back_mib > 0.8 * FRAME_MIB

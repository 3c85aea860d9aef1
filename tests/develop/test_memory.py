"""What a frame needed is kept for the next one, and given back when there is none."""

import ctypes
import subprocess
import sys

import pytest

MEASURED = """
import resource
import torch
from flexispd.develop.memory import give_back_memory, keep_memory

def resident_mib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() >> 20

if {keeping}:
    keep_memory()
torch.ones(1)
first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    layers = [torch.ones(5 << 18) for _ in range(8)]  # 5 MiB each
    del layers
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first
kept = resident_mib()
give_back_memory()
print(faults, kept - resident_mib())
"""


def measured(*, keeping):
    """Pages that 50 frames of 40 MiB got from the kernel, and MiB that were given back after the last."""
    program = MEASURED.format(keeping=keeping)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    faults, given_back = map(int, done.stdout.split())
    return faults, given_back


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library is not glibc")
def test_the_next_frame_gets_the_memory_of_the_last():
    """
    The kernel clears the pages of one frame, not of fifty; and gets them back when nothing is waiting.
    """
    pages_of_a_frame = 40 * 256
    faults_otherwise, _ = measured(keeping=False)

    faults, given_back = measured(keeping=True)

    assert faults < 4 * pages_of_a_frame < 20 * pages_of_a_frame < faults_otherwise
    assert given_back >= 35

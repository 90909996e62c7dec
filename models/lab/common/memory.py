"""How training uses the machine."""

import ctypes

import cv2
import torch


def one_thread():
    """A process is one thread, with the memory it once had: several of them share the cores."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(1)
    keep_memory()


def keep_memory():
    """Large buffers stay with the process instead of going back to the system after each layer: that took a third of a step."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(-3, 1 << 30)
    mallopt(-1, (1 << 31) - 1)

"""How training keeps its memory."""

import ctypes


def keep_memory():
    """Large buffers stay with the process instead of going back to the system after each layer: that took a third of a step."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(-3, 1 << 30)
    mallopt(-1, (1 << 31) - 1)

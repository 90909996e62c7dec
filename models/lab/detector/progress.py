"""Progress on stderr: a line that is written over on a terminal, else one each half minute."""

import sys
import time


class Progress:
    def __init__(self, name, total, done=0):
        self.name, self.total, self.done, self.before = name, total, done, done
        self.began = self.told = time.monotonic()

    def add(self, count=1):
        self.reach(self.done + count)

    def reach(self, done):
        """So many are done now."""
        self.done = done
        now = time.monotonic()
        if now - self.told >= (0.2 if sys.stderr.isatty() else 30):
            self.told = now
            self._tell(now)

    def end(self):
        self._tell(time.monotonic())
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def _tell(self, now):
        seconds = now - self.began
        own = self.done - self.before
        rest = f", {seconds / own * (self.total - self.done):.0f} s to go" if own > 0 else ""
        text = f"{self.name}: {self.done} of {self.total}, {seconds:.0f} s{rest}"
        print(f"\r{text}\x1b[K" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)

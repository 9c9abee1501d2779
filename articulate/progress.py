"""One progress line per stage: rewritten in place on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import TextIO


def format_seconds(seconds: float) -> str:
    """Minutes and seconds, such as 2:05."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


class Progress:
    """Prints `title`, step, steps per second, time left and the losses while a loop runs."""

    def __init__(self, title: str, total: int, *, start: int = 0, stream: TextIO | None = None) -> None:
        self.title, self.total, self.start = title, total, start
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.period = 0.2 if self.live else 15.0
        self.began = self.shown = time.monotonic()
        self.width = 0

    def update(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """Say that `done` of `total` steps are behind us; prints at most every `period` seconds."""
        now = time.monotonic()
        if now - self.shown < self.period:
            return
        self.shown = now
        self.print(self.line(done, now - self.began, values or {}), final=False)

    def line(self, done: int, seconds: float, values: Mapping[str, float]) -> str:
        """The line as text."""
        rate = (done - self.start) / max(seconds, 1e-9)
        left = (self.total - done) / max(rate, 1e-9)
        losses = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        return f"{self.title}  {done}/{self.total}  {rate:.1f} it/s  {format_seconds(left)} left  {losses}".rstrip()

    def finish(self, words: str = "") -> None:
        """Close the line with the time it took."""
        seconds = time.monotonic() - self.began
        self.print(f"{self.title}  done in {format_seconds(seconds)}  {words}".rstrip(), final=True)

    def print(self, text: str, *, final: bool) -> None:
        """Write one line, over the last one where the stream is a terminal."""
        if not self.live:
            self.stream.write(text + "\n")
        else:
            self.stream.write("\r" + text.ljust(self.width) + ("\n" if final else ""))
            self.width = len(text)
        self.stream.flush()

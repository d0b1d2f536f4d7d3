"""SIGTERM and SIGINT: the first asks a run to save and stop, a second ends the process at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# EX_TEMPFAIL: what schedulers take for "try again".
EXIT_CODE = 75
_NOTICE = b"\nmmea_jax: stopping after this pass, to save; a second signal exits at once\n"


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop. No ``Exception``, so that nothing takes it for a damaged file."""


class Signals:
    """While entered, a first signal raises ``Interrupted``, at once or at the end of ``held``.

    Python runs a handler only between two of its own instructions, and one pass over the data is a single
    call. So a thread learns of signals by the wake-up descriptor, to which the interpreter's own handler
    writes at once; on the second it ends the process, with 128 plus the signal's number, as if the signal
    had killed it.
    """

    def __init__(self):
        self.requested = False
        self._held = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Signals":
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        self._woken = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(reading,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        signal.set_wakeup_fd(self._woken)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # The thread then reads the end of its pipe.
        os.close(self._writing)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within, a signal sets ``requested`` and nothing else; ``Interrupted`` follows at the end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self.requested:
            raise Interrupted

    def _on_signal(self, *_) -> None:
        self.requested = True
        if not self._held:
            raise Interrupted


def _watch(reading: int) -> None:
    """Counts the signals that are ours, until the pipe is closed."""
    count = 0
    while number := os.read(reading, 1):
        if number[0] not in SIGNALS:
            continue
        count += 1
        if count > 1:
            os._exit(128 + number[0])
        with contextlib.suppress(OSError):
            os.write(sys.__stderr__.fileno(), _NOTICE)
    os.close(reading)

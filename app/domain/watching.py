"""When to look at what is watched, what is shown of it, and when watching ends. Times: seconds of a clock that only grows."""

from typing import Final

TICK: Final = 0.25
"""Between two looks, and between two values of one watcher, while something changes."""
ANYWAY: Final = 0.5
"""Between two looks while nothing is heard: word of a change may be lost, and of access that is lost there is none."""
LINGER: Final = 60.0
"""From the last change until watching ends, once nothing is left to send: deliveries still come in."""

_NEVER: Final = float("-inf")


class Looks:
    """When to look next, for all who watch."""

    def __init__(self, anyway: float = ANYWAY) -> None:
        self._anyway = anyway
        self._looked_at = _NEVER
        self._changed = False
        self._asked = False

    def changed(self) -> None:
        """Something has changed."""
        self._changed = True

    def asked(self) -> None:
        """Somebody has come, who wants a first value at once."""
        self._asked = True

    def wait(self, now: float) -> float:
        """Seconds until the next look; 0 for at once."""
        if self._asked:
            return 0.0
        return max(0.0, self._looked_at + (TICK if self._changed else self._anyway) - now)

    def starts(self, now: float) -> None:
        """A look begins. It may not see what changes from here on."""
        self._looked_at = now
        self._changed = self._asked = False


class Pace:
    """What one watcher is shown, and until when."""

    def __init__(self, linger: float = LINGER) -> None:
        self._linger = linger
        self._shown: object = None
        self._shown_at = _NEVER

    def shows(self, seen: object, now: float) -> bool:
        """Whether ``seen`` is different from what was shown last; then it counts as shown."""
        if seen == self._shown:
            return False
        self._shown, self._shown_at = seen, now
        return True

    def rest(self, now: float) -> float:
        """Seconds until something may be shown again."""
        return max(0.0, self._shown_at + TICK - now)

    def over(self, now: float, *, nothing_left: bool) -> bool:
        """Whether watching ends: nothing is left to send, and nothing has changed for long."""
        return nothing_left and now - self._shown_at >= self._linger

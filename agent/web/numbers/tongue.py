"""Numbers as the reader's language writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from agent.web.pages.texts import Words

_UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


class Tongue:
    """Numbers, shares and times in one language."""

    def __init__(self, t: Words, language: str) -> None:
        self.t, self._comma = t, language == "de"

    def number(self, value: float) -> str:
        """A count, or a number with what stands behind the point where something does."""
        text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
        return text.translate(str.maketrans(",.", ".,")) if self._comma else text

    def percent(self, share: float) -> str:
        """0.123 as 12.3 %."""
        text = f"{100 * share:.1f}".removesuffix(".0")
        return f"{text.replace('.', ',') if self._comma else text} %"

    def duration(self, seconds: float) -> str:
        """In the largest unit of which there is one."""
        for size, unit in _UNITS:
            if seconds >= size:
                return f"{self.number(round(seconds / size, 1))} {self.t(f'numbers.unit.{unit}')}"
        return f"{self.number(round(seconds, 1 if seconds < 10 else 0))} {self.t('numbers.unit.seconds')}"

    def size(self, count: float) -> str:
        """Bytes, as makers of disks count them."""
        unit, of = ("GB", 1e9) if count >= 1e8 else ("MB", 1e6)
        return f"{self.number(round(count / of, 1))} {unit}"

    def maybe(self, value: float | None, how: Callable[[float], str]) -> str:
        """The value, or a dash."""
        return "\N{EN DASH}" if value is None else how(value)

    def day(self, value: date) -> str:
        """Day and month, for an axis."""
        return value.strftime("%d.%m." if self._comma else "%d %b")

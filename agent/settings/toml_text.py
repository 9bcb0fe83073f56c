"""A TOML text as it is written: where its statements and its comments stand. What looks like one inside of a string is none."""

from __future__ import annotations

from collections.abc import Iterator


def statements(text: str) -> Iterator[tuple[int, int]]:
    """Where each heading and each ``key = value`` begins and ends, without the comment that follows it. TOML v1.0.0, "Spec".

    The text is one that can be read; of another, no more is promised than that it comes to an end.
    """
    place, end = 0, len(text)
    while place < end:
        if text[place] in " \t\n":
            place += 1
        elif text[place] == "#":
            place = _end_of_line(text, place)
        else:
            stop = _end_of_statement(text, place)
            yield place, place + len(text[place:stop].rstrip())
            place = stop


def comments(text: str) -> Iterator[str]:
    """Every comment, with its sign."""
    place, end = 0, len(text)
    while place < end:
        sign = text[place]
        if sign == "#":
            stop = _end_of_line(text, place)
            yield text[place:stop].rstrip()
            place = stop
        elif sign in "\"'":
            place = _after_string(text, place, sign)
        else:
            place += 1


def _end_of_statement(text: str, place: int) -> int:
    """Where the line ends, or the comment begins, outside of strings and brackets."""
    depth, end = 0, len(text)
    while place < end:
        sign = text[place]
        if sign in "\"'":
            place = _after_string(text, place, sign)
            continue
        if sign == "#":
            if depth == 0:
                return place
            place = _end_of_line(text, place)
            continue
        if sign == "\n" and depth == 0:
            return place
        depth += (sign in "[{") - (sign in "]}")
        place += 1
    return end


def _end_of_line(text: str, place: int) -> int:
    stop = text.find("\n", place)
    return len(text) if stop < 0 else stop


def _after_string(text: str, place: int, sign: str) -> int:
    long = text.startswith(sign * 3, place)
    close = sign * 3 if long else sign
    place += len(close)
    while place < len(text):
        if sign == '"' and text[place] == "\\":
            place += 2
        elif text.startswith(close, place):
            place += len(close)
            while long and text.startswith(sign, place):  # up to two more of them belong to the string
                place += 1
            return place
        else:
            place += 1
    return place

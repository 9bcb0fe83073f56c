"""Values of DICOM as people write them."""

from __future__ import annotations


def plain_name(value: str) -> str:
    """A person name (PS3.5 6.2, VR PN): family name, comma, what else there is; of the first component group that says anything."""
    group = next((g for g in value.split("=") if g.strip(" ^")), "")
    family, given, middle, prefix, suffix = (*(part.strip() for part in group.split("^")), "", "", "", "", "")[:5]
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)


def told_apart(value: str) -> str:
    """The same, where names are compared: as it was written when there is more than one component group, of which any may differ."""
    return value if "=" in value.rstrip("=") else plain_name(value)


def plain_date(value: str) -> str:
    """A date (VR DA) as YYYY-MM-DD; anything else as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdigit() else value


def plain_time(value: str) -> str:
    """A time (VR TM) as HH:MM; anything else as it is."""
    return f"{value[:2]}:{value[2:4]}" if len(value) >= 4 and value[:4].isdigit() else value


def plain_moment(value: str) -> str:
    """A moment (DT, HL7 DTM) as YYYY-MM-DD HH:MM, as far as it goes; anything else as it is."""
    day, time = value[:8], value[8:]
    return f"{plain_date(day)} {plain_time(time)}".strip() if len(day) == 8 and day.isdigit() else value

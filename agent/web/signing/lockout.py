"""How long an account lets nobody in after wrong passwords, and how often one address may try. Never for ever: a lock that does
not end is a way to keep a radiologist out. Who holds a session keeps it."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

FREE = 5  # wrong in a row before the first lock
_LONGEST = timedelta(hours=1)
BRAKE_AFTER = 30  # from one address
BRAKE_TIME = timedelta(minutes=10)


def lock_after(failures: int) -> timedelta:
    """One minute after the fifth in a row, then twice as long after each, up to an hour."""
    if failures < FREE:
        return timedelta(0)
    return min(timedelta(minutes=2 ** min(failures - FREE, 10)), _LONGEST)


def counted_as(address: str) -> str:
    """What counts as one address: of IPv6 the network that one subscriber has."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))

"""What a single value of the settings may be. Every check raises `ValueError` in words for the person who typed it."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_NAME = 253  # RFC 1035 2.3.4, without the final dot
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared, not bound


def check_one_line(value: str) -> str:
    """The text, if it holds no control characters."""
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in value):
        raise ValueError("must be one line without control characters")
    return value


def check_host(value: str) -> str:
    """The host, if it is an address or a name and nothing else: what is beside it has keys of its own, or none."""
    host = check_one_line(value.strip())
    if not host:
        raise ValueError('is empty; must be an address such as "10.0.0.5" or a host name')
    if "://" in host or "/" in host:
        raise ValueError(f'"{host}" must be the host alone, without "http://" or a path')
    if host.startswith("["):
        raise ValueError(f'"{host}" must be written without brackets, and without a port: the port has its own key')
    if _is_address(host):
        return host
    if ":" in host:
        raise ValueError(f'"{host}" must be the host alone: the port has its own key, `port`')
    return _check_name(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_name(host: str) -> str:
    labels = host.removesuffix(".").split(".")
    if all(label.isdigit() for label in labels if label) and any(labels):
        raise ValueError(
            f'"{host}" looks like an IPv4 address and is none: four numbers from 0 to 255 with dots between'
        )
    if "" in labels:
        raise ValueError(f'"{host}" has a dot too many; a host name is words with one dot between two of them')
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            f'"{host[:80]}" is no host name: letters, digits and hyphens, at most 63 between two dots, 253 in all'
        )
    return host


def check_path(value: Any) -> Any:
    """A path that the system can be asked about: not empty, no NUL, no other control characters, a home that exists."""
    if not isinstance(value, str | Path):
        return value  # refused by its type
    text = str(value)
    if not text.strip() or value == Path():
        raise ValueError("is empty; must be a path")
    check_one_line(text)
    check_home(text)
    return value


def check_home(text: str) -> str:
    """The text, if a ``~user`` at its start names somebody."""
    try:
        Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f'"{text}": there is no home folder for {text.split("/")[0]} on this machine') from error
    return text


def no_truth_for_a_number(value: Any) -> Any:
    """The value, unless it is true or false where a number belongs: Python would take them for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {str(value).lower()}")
    return value


def kind_of(path: Path) -> str:
    """``folder``, ``other`` (a file, a device) or ``nothing``, also where the system refuses to say."""
    try:
        if path.is_dir():
            return "folder"
        return "other" if path.exists() else "nothing"
    except (OSError, ValueError):
        return "nothing"


def in_the_way(path: Path) -> Path | None:
    """What keeps the path from being a folder: itself or the nearest thing above it, when that is no folder."""
    for place in (path, *path.parents):
        kind = kind_of(place)
        if kind != "nothing":
            return None if kind == "folder" else place
    return None


def same_place(host: str, own: str) -> bool:
    """Whether a peer's host is this node's: the same text, or loopback where this node listens there too."""
    host, own = host.lower(), own.lower()
    return host == own or (host in LOOPBACK | EVERYWHERE and own in LOOPBACK | EVERYWHERE)


def check_http_url(value: str, *, example: str, instead: str) -> str:
    """The URL, if a web service can be asked there: http or https, a host, at most a path.

    Args:
        example: one that is right, for the person who typed another.
        instead: where a password belongs instead, in words.

    Raises:
        ValueError: in words for the person who typed it.
    """
    parts = urlsplit(value)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is none
        usable = False
    if not usable or parts.query or parts.fragment or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError(f'must be http or https, a host, and at most a path, for example "{example}"')
    if "@" in parts.netloc:
        raise ValueError(f"must not hold a user or a password; {instead}")
    return value


def check_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    """The list, if each of it is an address or a network."""
    for text in value:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(
                f'"{text}" must be an address such as "10.0.0.6", or a network such as "10.0.0.0/24"'
            ) from error
    return value


LINK_FIELDS = ("study_instance_uid", "accession_number")
_LINK_FIELD = re.compile(r"\{([^{}]*)\}")


def check_link(value: str) -> str:
    """The address of a study in another program, if it is one: http or https, a host, and after it at least one of `LINK_FIELDS` in
    braces.

    Raises:
        ValueError: in words for the person who typed it.
    """
    example = "https://pacs.example.org/viewer?study={study_instance_uid}"
    names = _LINK_FIELD.findall(value)
    if unknown := sorted(set(names) - set(LINK_FIELDS)):
        raise ValueError(f"{{{unknown[0]}}} is nothing that is known of a study; there are {_braced(LINK_FIELDS)}")
    plain = _LINK_FIELD.sub("x", value)
    if not names or "{" in plain or "}" in plain:
        raise ValueError(f'must name the study by one of {_braced(LINK_FIELDS)}, for example "{example}"')
    if "{" in urlsplit(value).netloc:
        raise ValueError(f'the host cannot depend on the study; write it out, for example "{example}"')
    parts = urlsplit(plain)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is none
        usable = False
    if not usable or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError(f'must be an address by http or https, for example "{example}"')
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password; who opens it signs in there")
    return value


def _braced(names: tuple[str, ...]) -> str:
    return " and ".join(f"{{{name}}}" for name in names)

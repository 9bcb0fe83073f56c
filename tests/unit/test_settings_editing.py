"""A change of one peer or destination leaves everything else in the settings file as its people wrote it."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.settings.editing import CannotEdit, Change, changed
from agent.settings.load import digest_of
from agent.settings.toml_text import comments
from agent.settings.writing import FileHasChanged, NotWritable, replace, why_not_writable

ROOT = Path(__file__).parents[2]
COMMENT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)
WORD = st.text("abcdefgh", min_size=1, max_size=6)
MAY = st.lists(st.sampled_from(["send", "receive", "query"]), unique=True)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A settings file as somebody may have written it, with comments at every place where TOML has room for one; and the
    names of its peers."""
    names = draw(st.lists(WORD, unique=True, max_size=4))
    end = draw(st.sampled_from(["\n", "\r\n"]))

    def line(text: str) -> str:
        comment = draw(st.none() | COMMENT)
        space = draw(st.sampled_from([" ", "   ", ""]))
        before = draw(st.sampled_from(["", "  "]))
        return f"{before}{text}{space}{'' if comment is None else '#' + comment}{end}"

    def between() -> str:
        lines = draw(st.lists(st.none() | COMMENT, max_size=3))
        return "".join(end if one is None else f"#{one}{end}" for one in lines)

    def peer(name: str) -> str:
        may = draw(MAY)
        words = ", ".join(f'"{w}"' for w in may)
        if may and draw(st.booleans()):
            words = "".join(f'{end}  "{w}",{" #" + draw(COMMENT) if draw(st.booleans()) else ""}' for w in may) + end
        keys = [f'name = "{name}"', f'ae_title = "{name.upper()}"', "host = '10.0.0.5' ", f"may = [{words}]"]
        keys += draw(st.sampled_from([[], ["port = 104"], ["tls = false", "port=0x68"]]))
        order = draw(st.permutations(keys))
        return line("[[peers]]") + "".join(line(key) + between() for key in order)

    parts = [between(), line("[node]"), line('ae_title = "A#B"'), between()]
    peers = [peer(name) + between() for name in names]
    rest = [
        line("[delivery]"),
        line("timeout_s = 3_0.0"),
        between(),
        line("[log]"),
        line('level = """info"""'),
        between(),
    ]
    text = "".join([*parts, *peers, *rest] if draw(st.booleans()) else [*parts, *rest, *peers])
    return text if draw(st.booleans()) else text.removesuffix(end), names


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return values | {"peers": [p for p in values.get("peers", []) if p["name"] != name]}


@settings(max_examples=80, deadline=None)
@given(files(), st.integers(1, 65535), MAY, st.booleans(), st.data())
def test_any_file_survives_a_change_of_a_peer_with_every_comment_and_every_other_value(
    file: tuple[str, list[str]], port: int, may: list[str], tls: bool, data: st.DataObject
) -> None:
    text, names = file
    was = data.draw(st.sampled_from(["", *names]))
    name = was or "newone"
    values = {"name": name, "ae_title": "OTHER", "host": "pacs.example", "port": port, "may": may, "tls": tls}
    after = changed(text, Change("peers", was, values, {"tls": False, "port": 104, "may": []}))
    old, new = tomllib.loads(text), tomllib.loads(after)
    assert without(new, name) == without(old, name) | {"peers": without(old, name)["peers"]}
    (mine,) = [p for p in new["peers"] if p["name"] == name]
    assert {"tls": False, "port": 104, "may": []} | mine | {"may": sorted(mine.get("may", []))} == values | {
        "may": sorted(may)
    }
    kept = Counter(c.removeprefix("#").strip() for c in comments(after))
    assert not Counter(c.removeprefix("#").strip() for c in comments(text)) - kept


def test_a_change_touches_the_line_that_it_is_about_and_no_other() -> None:
    text = (ROOT / "deploy/container/settings.toml").read_text(encoding="utf-8")
    (peer, *_) = tomllib.loads(text)["peers"]
    after = changed(text, Change("peers", peer["name"], peer | {"host": "10.9.9.9"}))
    differing = [(a, b) for a, b in zip(text.splitlines(), after.splitlines(), strict=True) if a != b]
    assert len(differing) == 1
    assert differing[0][0].replace(f'"{peer["host"]}"', '"10.9.9.9"') == differing[0][1]


def test_a_new_peer_stands_with_the_others_and_not_below_the_heading_of_the_next_section() -> None:
    text = '[[peers]]\nname = "a"\n# tls = true\n\n# Where results go.\n[[destinations]]\nname = "d"\n'
    after = changed(text, Change("peers", "", {"name": "b", "port": 11112}))
    assert after == (
        '[[peers]]\nname = "a"\n# tls = true\n\n[[peers]]\nname = "b"\nport = 11112\n'
        '\n# Where results go.\n[[destinations]]\nname = "d"\n'
    )


def test_the_reference_with_all_its_comments_takes_its_first_peer() -> None:
    text = (ROOT / "settings.toml").read_text(encoding="utf-8")
    after = changed(text, Change("peers", "", {"name": "b", "ae_title": "B", "host": "h"}))
    assert after.startswith(text)
    assert tomllib.loads(after)["peers"] == [{"name": "b", "ae_title": "B", "host": "h"}]


def test_a_table_inside_of_a_destination_comes_and_goes() -> None:
    text = '[[destinations]]\nname = "ris"\nhost = "h" # here\n'
    tls = {"ca_file": "ca.pem", "certificate_file": None}
    after = changed(text, Change("destinations", "ris", {"tls": tls}))
    assert tomllib.loads(after)["destinations"] == [{"name": "ris", "host": "h", "tls": {"ca_file": "ca.pem"}}]
    assert changed(after, Change("destinations", "ris", {"tls": None})) == text


def test_peers_in_one_line_are_changed_in_that_line() -> None:
    text = 'peers = [{name = "a", port = 1}] # all of them\n[log]\n'
    after = changed(text, Change("peers", "a", {"port": 2}))
    assert after == text.replace("port = 1", "port = 2")


def test_what_is_not_there_is_not_changed() -> None:
    with pytest.raises(CannotEdit, match='no \\[\\[peers\\]\\] entry "b"'):
        changed('[[peers]]\nname = "a"\n', Change("peers", "b", {"port": 2}))


def test_the_file_keeps_owner_and_mode_and_the_one_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    about = path.stat()
    kept = replace(path, b"new", expected=digest_of(b"old"))
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (about.st_mode, about.st_uid, about.st_gid)
    assert (path.read_bytes(), kept.read_bytes(), kept.stat().st_mode) == (b"new", b"old", about.st_mode)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["settings.toml", "settings.toml.before"]


def test_a_file_behind_a_link_stays_behind_it(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "settings.toml"
    real.write_bytes(b"old")
    link.symlink_to(real)
    replace(link, b"new", expected=digest_of(b"old"))
    assert link.is_symlink() and real.read_bytes() == b"new"


def test_what_somebody_has_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b"theirs")
    with pytest.raises(FileHasChanged):
        replace(path, b"ours", expected=digest_of(b"old"))
    assert path.read_bytes() == b"theirs"


def test_a_file_that_may_not_be_written_is_left_alone_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "settings.toml"
    with pytest.raises(NotWritable):
        replace(path, b"new", expected="")
    assert "cannot be looked at" in why_not_writable(path)


def test_a_file_of_another_user_or_in_a_folder_of_another_user_is_not_writable() -> None:
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        ours = Path(name) / "settings.toml"
        ours.write_bytes(b"")
        Path(name).chmod(0o777)
        if root:
            os.seteuid(65534)
        try:
            words = why_not_writable(Path("/etc/passwd")), why_not_writable(ours)
        finally:
            os.seteuid(0) if root else None
    assert "may not write in /etc" in words[0]
    assert words[1].startswith(f"{ours} belongs to another user (uid 0)" if root else "")

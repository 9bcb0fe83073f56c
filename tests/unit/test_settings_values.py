"""A value that cannot be meant is refused before it costs a study, in words of the site and not of a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import SettingsError
from agent.settings import find, load
from tests.unit.test_settings import explain

JARGON = (
    "input should",
    "valid tuple",
    "frozenset",
    "dictionary",
    "instance of",
    "pattern",
    "EnvSettingsSource",
    "pydantic",
)
PEER = "[[peers]]\nname = 'p'\nae_title = 'P'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[node]\nport = true", ["node.port", "number, not true"]),
        ("[delivery]\ntimeout_s = false", ["delivery.timeout_s", "number, not false"]),
        ("[storage]\nreserve_gb = inf", ["storage.reserve_gb", "infinite"]),
        ("[storage]\nroot = ''", ["storage.root", "is empty"]),
        ("[storage]\nroot = 'file/below'", ["storage.root", "must be a folder", "file is a file"]),
        ('[storage]\nroot = "a\\u0000b"', ["storage.root", "control characters"]),
        ('[model]\nweights = "a\\u0000b"', ["model.weights", "control characters"]),
        ('[model]\nrecordings = "a\\u0007b"', ["model.recordings", "control characters"]),
        ('[database]\nurl = "sqlite:///a\\u0000b"', ["database.url", "control characters"]),
        ("[storage]\nroot = '~nobody-of-that-name/x'", ["storage.root", "no home folder"]),
        ("[database]\nurl = 'sqlite:///folder'", ["database.url", "folder is a folder", "preread.db"]),
        ("[storage]\nroot = 'state'\n[[destinations]]\nname='d'\ntype='folder'\npath='state/out'", ["inside storage.root"]),
        ("[storage]\nroot = 'state'\n[[destinations]]\nname='d'\ntype='folder'\npath='x/../state'", ["inside storage.root"]),
    ],
)  # fmt: skip
def test_a_value_that_would_fail_on_the_first_study_is_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    message = explain(tmp_path, text)
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("", "is empty"), ("http://pacs", "host alone"), ("pacs/x", "host alone"), ("pacs:104", "own key"), ("[::1]", "without brackets"),
        ("10.0.0.300", "looks like an IPv4 address"), ("10.0.0", "looks like an IPv4 address"), ("pacs..local", "a dot too many"),
        (".pacs", "a dot too many"), ("pa cs", "no host name"), ("-pacs", "no host name"), ("x" * 64, "no host name"),
        ("pâcs", "no host name"),
    ],
)  # fmt: skip
def test_a_host_that_nobody_can_have_is_refused(tmp_path: Path, host: str, word: str) -> None:
    for text in (f"{PEER}host = '{host}'", f"[node]\nhost = '{host}'"):
        message = explain(tmp_path, text)
        assert "host: " in message
        assert word in message, message


@pytest.mark.parametrize(
    "host", ["10.0.0.5", "::1", "fe80::1%eth0", "pacs", "pacs.hospital.example.", "pacs_1", "3com"]
)
def test_a_host_that_somebody_can_have_is_taken(tmp_path: Path, host: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"{PEER}host = '{host}'", encoding="utf-8")
    assert load(file).peers[0].host == host


@pytest.mark.parametrize(
    ("peer", "word"),
    [
        ("name = 'p'\nae_title = 'PREREAD'\nhost = '127.0.0.1'\nport = 11112", "is this node itself"),
        ("name = 'p'\nae_title = 'P'\nhost = 'localhost'\nport = 11112\nmay = ['receive']", "listens on"),
        ("name = 'self'\nae_title = 'P'\nhost = 'pacs'", "means this node"),
    ],
)
def test_a_peer_that_is_this_node_is_refused(tmp_path: Path, peer: str, word: str) -> None:
    assert word in explain(tmp_path, f"[[peers]]\n{peer}")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[triage]\nfindings = 'mass'", "must be a list"),
        ("[triage]\nfindings = []", "at least 1 entry"),
        ("[triage]\nfindings = [1]", "text in quotation marks"),
        (f"{PEER}host='h'\nmay = 'send'", "must be a list"),
        ("node = 5", "must be a table"),
        ("[[node]]\nport = 1", "must be a table"),
        ("[peers]\nname = 'p'", "must be a list"),
        ("[[destinations]]\nname = 'a b'\ntype = 'folder'\npath = 'x'", "letters, digits, dots, hyphens"),
        ("[model]\ndevice = 'gpu'", '"auto", "cpu", "cuda" or "cuda:0"'),
        ("[report]\nstation_name = '12345678901234567'", "at most 16 characters"),
        ("[gate]\npixels = 'perhaps'", "true or false"),
        ("[model]\nattempts = 2.5", "whole number"),
    ],
)
def test_a_mistake_is_told_without_the_words_of_a_library(tmp_path: Path, text: str, word: str) -> None:
    message = explain(tmp_path, text)
    assert word in message
    assert not [j for j in JARGON if j in message], message


@pytest.mark.parametrize(
    ("variable", "value"), [("PREREAD_PEERS", "abc"), ("PREREAD_MODEL__BASE_URLS", "http://gpu"), ("PREREAD_NODE", "{")]
)
def test_an_environment_variable_that_cannot_be_parsed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    message = explain(tmp_path, "")
    assert message.startswith(f"environment variable {variable}: ")
    assert "JSON" in message
    assert not [j for j in JARGON if j in message], message


def test_a_key_of_another_type_of_destination_is_not_offered(tmp_path: Path) -> None:
    message = explain(tmp_path, "[[destinations]]\nname = 'd'\ntype = 'folder'\npath = 'x'\nhost = 'h'")
    allowed = "name, path, plain_sr, presentation_state, rejection_note, summary_image, type"
    assert f'destinations[0].host: unknown key; allowed here for type "folder": {allowed}' in message


def test_a_file_that_an_editor_marked_as_utf_8_is_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"\xef\xbb\xbf[node]\nport = 104\n")
    assert load(file).node.port == 104


def test_a_folder_in_the_place_of_the_settings_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder; name the settings file"):
        find(tmp_path)
    (tmp_path / "settings.toml").write_text("")
    with pytest.raises(SettingsError, match=r"did you mean .*settings\.toml"):
        find(tmp_path)
    with pytest.raises(SettingsError, match="no such settings file"):
        find(Path("x" * 5000))

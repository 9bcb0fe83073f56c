"""Every way out has its settings, each of them is in the reference, and what cannot work is said before the first study."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import SettingsError
from agent.settings import load
from agent.settings.network import DESTINATION_KINDS

REFERENCE = (Path(__file__).parents[2] / "settings.toml").read_text(encoding="utf-8")
WEB = "[[destinations]]\nname = 'd'\ntype = '{}'\nurl = '{}'\n"


def loaded(tmp_path: Path, text: str) -> object:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return load(file).destinations[0]


@pytest.mark.parametrize("kind", sorted(DESTINATION_KINDS))
def test_every_key_of_every_destination_is_in_the_reference(kind: str) -> None:
    start = REFERENCE.index(f'# type = "{kind}"')
    block = REFERENCE[:start].rpartition("[[destinations]]")[2] + REFERENCE[start:].partition("[[destinations]]")[0]
    shared = ("token_file", "ca_file", "certificate_file", "key_file")
    for key in DESTINATION_KINDS[kind].model_fields:
        assert f"# {key} = " in block or (key in shared and key in block), f"{kind}: {key}"


def test_secrets_and_certificates_lie_beside_the_settings(tmp_path: Path) -> None:
    text = WEB.format("webhook", "https://h/x") + "secret_file = 's'\ntoken_file = 't'\nca_file = 'a/b.pem'\n"
    found = loaded(tmp_path, text)
    assert (found.secret_file, found.token_file, found.ca_file, found.key_file) == (  # type: ignore[attr-defined]
        tmp_path / "s",
        tmp_path / "t",
        tmp_path / "a/b.pem",
        None,
    )


@pytest.mark.parametrize(
    ("kind", "url", "more", "words"),
    [
        ("stow", "archive/dicom-web", "", "http or https"),
        ("stow", "http://h/x?patient=1", "", "at most a path"),
        ("stow", "https://u:p@h/x", "", "token_file"),
        ("stow", "http://h/x", "ca_file = 'c'", "not https"),
        ("stow", "https://h/x", "key_file = 'c'", "no certificate_file"),
        ("stow", "https://h/x", "secret_file = 'c'", "unknown key"),
        ("webhook", "https://h/x", "", "secret_file: is missing"),
        ("webhook", "https://h/x", "secret_file = ''", "is empty"),
        ("webhok", "https://h/x", "", '"dicom", "hl7", "folder", "stow", "webhook"'),
    ],
)
def test_a_mistake_is_explained(tmp_path: Path, kind: str, url: str, more: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        loaded(tmp_path, WEB.format(kind, url) + more)
    assert words in str(error.value)


def test_results_that_would_be_sent_to_our_own_listener_are_a_mistake(tmp_path: Path) -> None:
    """It would acknowledge every one of them, and nobody would ever have it."""
    file = tmp_path / "settings.toml"
    text = '[orders]\nport = 2575\n[[destinations]]\nname = "ris"\ntype = "hl7"\nhost = "{}"\nport = {}\n'
    file.write_text(text.format("127.0.0.1", 2575), encoding="utf-8")
    with pytest.raises(SettingsError, match="this node itself listens for HL7 messages"):
        load(file)
    for host, port in (("10.0.0.6", 2575), ("127.0.0.1", 2576)):
        file.write_text(text.format(host, port), encoding="utf-8")
        assert load(file).destinations[0].name == "ris"

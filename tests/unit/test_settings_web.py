"""What the pages need to be set right is refused with words when it is not: nobody finds out by being overheard."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.doctor.certificates import certificate_files
from agent.errors import SettingsError
from agent.settings import Settings, load
from agent.settings.signing import SiteRole
from agent.web.rights import Role

OIDC = '[web.oidc]\nissuer = "https://sso/r"\nclient_id = "p"\nroles = { "a b" = "viewer" }\n'
CERTIFICATE = 'certificate_file = "web.pem"\n'
KEY = 'key_file = "web.key"\n'


def loaded(folder: Path, text: str) -> Settings:
    file = folder / "settings.toml"
    file.write_text(text, "utf-8")
    return load(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[web]\n{CERTIFICATE}", "belong together"),
        (f"[web]\n{KEY}", "belong together"),
        (f'[web]\n{CERTIFICATE}{KEY}url = "http://preread"', "must begin with https"),
        ('[web]\nurl = "https://preread/pages"', "no path before them"),
        ('[web]\nproxies = ["proxy.hospital"]', "must be an address"),
        ('[web]\nproxies = ["10.0.0.1/8"]', "must be an address"),
        (f'[web]\nhost = "0.0.0.0"\n{OIDC}', "the provider sends people back"),
        (OIDC.replace("https:", "http:"), "must be https"),
        (OIDC.replace("https://sso/r", "sso"), "must be http or https"),
        (OIDC.replace("https://sso/r", "https://u:p@sso/r"), "client_secret_file"),
        (OIDC.replace('"viewer"', '"owner"'), '"owner" is not allowed'),
        (OIDC.replace('{ "a b" = "viewer" }', "{}"), "web.oidc.roles"),
        (OIDC + 'scopes = ["profile"]', 'must hold "openid"'),
        (OIDC + 'scopes = ["openid", "a b"]', "web.oidc.scopes"),
        (OIDC + "secret = 'x'", "unknown key"),
        (OIDC.replace("https://sso", "http://127.0.0.1") + 'ca_file = "ca.pem"', "no certificate is ever looked at"),
    ],
)
def test_a_door_that_is_not_set_right_is_refused_with_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, text)
    assert words in str(refused.value)


def test_files_of_the_door_lie_beside_the_settings_and_are_watched(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f'[web]\n{CERTIFICATE}{KEY}{OIDC}ca_file = "ca.pem"\nclient_secret_file = "secret"\n')
    web, here = settings.web, tmp_path.resolve()
    assert (web.certificate_file, web.key_file) == (here / "web.pem", here / "web.key")
    assert web.oidc is not None
    assert (web.oidc.ca_file, web.oidc.client_secret_file) == (here / "ca.pem", here / "secret")
    watched = dict(certificate_files(settings))
    assert {"web.certificate_file", "web.oidc.ca_file"} <= set(watched)


@pytest.mark.parametrize(
    ("text", "address", "private"),
    [
        ("", "http://127.0.0.1:8117", True),
        ('host = "::1"', "http://[::1]:8117", True),
        ('host = "0.0.0.0"', "http://0.0.0.0:8117", False),
        ('host = "0.0.0.0"\nurl = "http://preread"', "http://preread", False),
        ('host = "0.0.0.0"\nurl = "https://preread/"', "https://preread", True),
        (f'host = "0.0.0.0"\n{CERTIFICATE}{KEY}', "https://0.0.0.0:8117", True),
    ],
)
def test_where_people_come_and_whether_they_are_overheard(
    tmp_path: Path, text: str, address: str, private: bool
) -> None:
    web = loaded(tmp_path, f"[web]\n{text}\n").web
    assert (web.address, web.is_private) == (address, private)


def test_the_roles_of_the_settings_are_those_of_the_pages() -> None:
    assert set(SiteRole.__args__) == {r.value for r in Role}  # type: ignore[attr-defined]

"""A mistake in the settings is found when they are read, and explained in words that help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from agent.cli import preread
from agent.errors import SettingsError
from agent.in_words import english
from agent.settings import Settings, load
from agent.settings.remarks import remarks, same_titles
from agent.store.engine import Ledger
from dicom_nodes.roles import check_ae_title
from tests.support.site import Site

REFERENCE = Path(__file__).parents[2] / "settings.toml"


def explain(tmp_path: Path, text: str) -> str:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        load(file)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[node]\nae_titel = 'X'", ["node.ae_titel: unknown key", 'did you mean "ae_title"']),
        ("[nodes]\nport = 1", ["nodes: unknown key", 'did you mean "node"']),
        ("[node]\nport = 70000", ["node.port", "65535"]),
        ("[node]\nport = 'abc'", ["node.port", "integer"]),
        ("[node]\nae_title = 'A\\\\B'", ["node.ae_title", "backslash"]),
        ("[node]\nae_title = '12345678901234567'", ["node.ae_title", "16"]),
        ("[node]\nae_title = '   '", ["node.ae_title", "empty"]),
        ('[node]\nae_title = "A\\u0007"', ["node.ae_title", "control"]),
        ("[model]\nquantization = 'int4'", ["model.quantization", "nf4", "int8", "none"]),
        ("[model]\ndevice = 'gpu'", ["model.device"]),
        ("[model]\nbackend = 'remote'", ["model.backend", "local", "served", "recorded"]),
        ("[model]\nbackend = 'served'", ["model", "needs base_urls", "http://gpu-1:8000/v1"]),
        ("[model]\nbackend = 'recorded'", ["model", "needs recordings"]),
        ("[model]\nbackend = 'recorded'\nrecordings = ''", ["model", "needs recordings"]),
        (
            "[model]\nserved_model = 'x'\nca_file = 'y'",
            ["served_model, ca_file", 'only for backend "served"', '"local"'],
        ),
        ("[model]\nbackend = 'served'\nbase_urls = ['gpu:8000']", ["model.base_urls[0]", "http or https"]),
        ("[model]\nbackend = 'served'\nbase_urls = ['http://gpu:port/v1']", ["model.base_urls[0]", "http or https"]),
        ("[model]\nbackend = 'served'\nbase_urls = ['http://gpu/v1?x=1']", ["model.base_urls[0]", "at most a path"]),
        ("[model]\nbackend = 'served'\nbase_urls = ['http://u:p@gpu/v1']", ["model.base_urls[0]", "api_key_file"]),
        ("[model]\nbackend = 'served'\nbase_urls = ['http://gpu', 'http://GPU/v1/']", ["base_urls", "named twice"]),
        (
            "[model]\nbackend = 'served'\nbase_urls = ['http://gpu']\nca_file = 'x'",
            ["ca_file", "none of the base_urls is https"],
        ),
        ("[model]\nprotocol = ''", ["model.protocol"]),
        ("[[peers]]\nname = 'p'\nae_title = 'P'\nhost = 'h'\nmay = ['write']", ["peers[0].may", "send"]),
        ("[[peers]]\nname = 'p'\nae_title = 'P'", ["peers[0].host: is missing"]),
        ("[[destinations]]\nname = 'd'\ntype = 'dicom'\npeer = 'nobody'", ["destinations[0]", "nobody", "known"]),
        (
            "[[peers]]\nname='p'\nae_title='P'\nhost='h'\n[[destinations]]\nname='d'\ntype='dicom'\npeer='p'",
            ["may not receive"],
        ),
        ("[[destinations]]\nname = 'd'\ntype = 'fax'", ["destinations[0]", "dicom", "hl7", "folder"]),
        ("[[destinations]]\nname = 'd'", ["destinations[0]", "type", "missing"]),
        ("[[destinations]]\nname='d'\ntype='hl7'\nhost='h'\nport=1\nresult_status='F'", ["result_status", "R"]),
        (
            "[[destinations]]\nname='d'\ntype='folder'\npath='a'\n[[destinations]]\nname='d'\ntype='folder'\npath='b'",
            ["more than once"],
        ),
        ("[database]\nurl = 'postgresql://x/y'", ["database.url", "postgresql+psycopg://"]),
        ("[qc]\ndaily_at = '24:00'", ["qc.daily_at", "24:00"]),
        ("[qc]\nfilms = []", ["qc.films"]),
        ("[qc]\nfilms = ['x']", ["qc.films[0]", "right-pneumothorax"]),
        ("[qc]\nfilms = ['normal', 'normal']", ["qc.films", "named twice"]),
        ("[qc]\nleast_overlap = 2", ["qc.least_overlap"]),
        ("[orders]\nport = 11112", ["orders.port", "also node.port"]),
        ("[orders]\nallow = ['ris']", ["orders.allow", '"ris"', "10.0.0.0/24"]),
        ("[orders]\ncharacter_set = 'EBCDIC'", ["orders.character_set", "8859/1"]),
        ("[orders]\naccession_in = ['pid-3']", ["orders.accession_in[0]", "obr-18"]),
        ("[orders]\nprocessing_ids = []", ["orders.processing_ids"]),
        ("[orders]\ntls = { ca_file = 'ca.pem' }", ["orders.tls", "certificate_file and a key_file"]),
        ("[priors]\nfrom = 'nobody'", ["priors.from", '"nobody" is not among', "dicomweb"]),
        ("[priors]\nform = 'x'", ["priors.form: unknown key", 'did you mean "from"']),
        ("[priors]\nfrom = 'self'\nretrieve = 'move'", ["priors.retrieve", "for a peer"]),
        ("[[peers]]\nname='p'\nae_title='P'\nhost='h'\n[priors]\nfrom = 'p'", ["priors.from", 'add "query"']),
        (
            "[[peers]]\nname='p'\nae_title='P'\nhost='h'\nmay=['query']\n[priors]\nfrom = 'p'\nretrieve = 'move'",
            ["priors.retrieve", 'add "send"'],
        ),
        ("[[peers]]\nname='p'\nae_title='P'\nhost='h'\n[worklist]\nfrom = 'p'", ["worklist.from", 'add "query"']),
        ("[[dicomweb]]\nname='w'\nurl='pacs/dicom-web'", ["dicomweb[0].url", "http or https"]),
        ("[[dicomweb]]\nname='w'\nurl='http://u:p@pacs/x'", ["dicomweb[0].url", "token_file"]),
        ("[[dicomweb]]\nname='w'\nurl='http://pacs/x'\nca_file='c'", ["ca_file", "not https"]),
        ("[node\nport = 1", ["not valid TOML", "line 1"]),
    ],
)
def test_a_mistake_is_named_with_its_file_its_key_and_what_is_allowed(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    message = explain(tmp_path, text)
    assert "settings.toml" in message
    for word in words:
        assert word in message, message


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    assert len(explain(tmp_path, "[node]\nport = 0\nhots = 'x'\n[intake]\nquiet_time_s = -1").splitlines()) == 3


def test_a_misspelt_environment_variable_is_not_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREREAD_NODE__PROT", "104")
    assert "PREREAD_NODE__PROT" in explain(tmp_path, "")


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[node]\nport = 104\nae_title = 'FILE'", encoding="utf-8")
    monkeypatch.setenv("PREREAD_NODE__PORT", "11113")
    assert (load(file).node.port, load(file).node.ae_title) == (11113, "FILE")


def test_a_secret_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"sqlite:///{tmp_path}/x.db\n", encoding="utf-8")
    file = tmp_path / "settings.toml"
    file.write_text("[database]\nurl_file = 'secret'", encoding="utf-8")
    assert load(file).database_url == f"sqlite:///{tmp_path}/x.db"


def test_relative_paths_mean_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[storage]\nroot = 'here'\n[model]\nweights = './w'", encoding="utf-8")
    values = load(file)
    assert (values.storage.root, values.model.weights) == (tmp_path / "here", str(tmp_path / "w"))


def test_a_ledger_and_weights_beside_the_file_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve` from / and `studies` from home would otherwise look at two ledgers."""
    file = tmp_path / "settings.toml"
    file.write_text("[database]\nurl = 'sqlite:///ledger.db'\n[model]\nweights = 'models/x'", encoding="utf-8")
    (tmp_path / "models" / "x").mkdir(parents=True)
    monkeypatch.chdir("/")
    values = load(file)
    assert values.database_url == f"sqlite:///{tmp_path}/ledger.db"
    assert values.model.weights == f"{tmp_path}/models/x"


def test_files_of_the_model_are_relative_to_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    text = (
        "[model]\nbackend = 'served'\nbase_urls = ['https://gpu/v1']\napi_key_file = 'key'\nca_file = 'ca.pem'\n"
        "recordings = 'kept'\nprotocol = 'own/protocol.toml'\n"
    )
    file.write_text(text, encoding="utf-8")
    model = load(file).model
    assert (model.api_key_file, model.ca_file, model.recordings) == (
        tmp_path / "key",
        tmp_path / "ca.pem",
        tmp_path / "kept",
    )
    assert model.protocol == str(tmp_path / "own/protocol.toml")
    file.write_text("[model]\nprotocol = 'chexone'", encoding="utf-8")
    assert load(file).model.protocol == "chexone"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("url_file = 'nothing'", "No such file"),
        ("url_file = 'elsewhere'", "postgresql+psycopg://"),
        ("url_file = 'elsewhere'\nurl = 'sqlite:///x.db'", "both given"),
        ("url = 'postgresql://u:hunter2@h/x'", "postgresql+psycopg://"),
        ("url = 'mysql://u:hunter2@h/x'", "PostgreSQL"),
        ("url = 'sqlite:///'", "sqlite:///PATH"),
        ("url = 'postgresql+psycopg://u:hunter2@h'", "names no database"),
        ("url = 'postgresql+psycopg:///x'", "names no server"),
        ("url = 'postgresql+psycopg://u:hunter2@h:port/x'", "is no URL"),
        ("url = 'postgresql+psycopg://u@h/x?password=hunter2'", "use password_file"),
        ("password_file = 'password'", "the settings name none"),
        ("url = 'sqlite:///x.db'\npassword_file = 'password'", "the settings name none"),
        ("url = 'postgresql+psycopg://u:hunter2@h/x'\npassword_file = 'password'", "take it out of the URL"),
        ("url = 'postgresql+psycopg://u@h/x'\npassword_file = 'nothing'", "No such file"),
        ("url = 'postgresql+psycopg://u@h/x'\npassword_file = 'lines'", "one line"),
        ("url = 'postgresql+psycopg://u@h/x'\npassword_file = 'empty'", "one line"),
    ],
)
def test_a_ledger_that_cannot_be_is_found_before_the_start(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "elsewhere").write_text("postgresql://user:hunter2@h/x", encoding="utf-8")
    (tmp_path / "password").write_text("hunter2\n", encoding="utf-8")
    (tmp_path / "lines").write_text("hunter2\nhunter3\n", encoding="utf-8")
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    message = explain(tmp_path, f"[database]\n{text}")
    assert word in message
    assert "hunter2" not in message, "a secret is never printed"


@pytest.mark.parametrize(
    "text",
    [
        "url = 'postgresql+psycopg://u:hun%2Fter2@h:6543/x?sslmode=verify-full'",
        "url_file = 'url'",
        "url = 'postgresql+psycopg://u@h:6543/x?sslmode=verify-full'\npassword_file = 'password'",
    ],
)
def test_the_password_of_the_database_reaches_the_ledger_and_nobody_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "url").write_text("postgresql+psycopg://u:hun%2Fter2@h:6543/x?sslmode=verify-full\n", encoding="utf-8")
    (tmp_path / "password").write_text("hun/ter2\n", encoding="utf-8")
    file = tmp_path / "settings.toml"
    file.write_text(f"[database]\n{text}\n", encoding="utf-8")
    settings = load(file)
    url = make_url(settings.database_url)
    assert (url.username, url.password, url.host, url.port, url.database) == ("u", "hun/ter2", "h", 6543, "x")
    assert url.query == {"sslmode": "verify-full"}
    ledger = Ledger(settings.database_url)
    done = CliRunner().invoke(preread, ["settings", "check", "--json", str(file)])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)["database"]["url"]
    assert shown == "postgresql+psycopg://u:***@h:6543/x?sslmode=verify-full"
    assert ledger.name == "x on h:6543"
    for said in (done.output, repr(settings), str(settings), repr(ledger.place.engine)):
        assert "ter2" not in said


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("10.0.0.7/x", True), ("10.0.0.7/x?sslmode=require", True), ("10.0.0.7/x?sslmode=verify-full", False),
        ("127.0.0.1/x", False), ("/x?host=/run/postgresql", False),
    ],
)  # fmt: skip
def test_names_that_cross_the_network_in_the_open_are_remarked_on(tmp_path: Path, where: str, said: bool) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        f"[database]\nurl = 'postgresql+psycopg://{'' if where.startswith('/') else 'u@'}{where}'\n", encoding="utf-8"
    )
    assert any("sslmode=verify-full" in remark for remark in map(english, remarks(load(file)))) is said


def test_a_mistake_in_the_environment_is_not_blamed_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREREAD_NODE__PORT", "many")
    assert explain(tmp_path, "[intake]\nquiet_time_s = 3").startswith("environment variable PREREAD_NODE__PORT")


def test_the_reference_says_the_defaults_and_leaves_nothing_out() -> None:
    stated = load(REFERENCE)
    default = Settings()
    assert stated.model_copy(update={"storage": default.storage}) == default
    text = REFERENCE.read_text(encoding="utf-8")
    for section, field in Settings.model_fields.items():
        for name, described in getattr(field.annotation, "model_fields", {}).items():
            key = described.alias or name
            written = (f"\n{key} = ", f"\n# {key} = ", f"\n# [{section}.{key}]")
            assert any(w in text for w in written), f"{section}.{key} is not in settings.toml"


@given(st.text(max_size=20))
def test_an_ae_title_is_what_the_standard_allows(text: str) -> None:
    try:
        title = check_ae_title(text)
    except ValueError:
        title = ""
    stripped = text.strip(" ")
    legal = 1 <= len(stripped) <= 16 and all(0x20 <= ord(c) <= 0x7E and c != "\\" for c in stripped)
    assert title == (stripped if legal else "")


def test_the_command_explains_mistakes_without_a_traceback(site: Site) -> None:
    site.settings_file.write_text("[node]\nprot = 104\n", encoding="utf-8")
    done = site.run("settings", "check")
    assert done.returncode == 78
    assert 'did you mean "port"' in done.stderr
    assert "Traceback" not in done.stderr
    assert site.run("serve").returncode == 78


def test_a_film_of_the_constancy_test_is_not_left_without_the_one_it_is_compared_with() -> None:
    with pytest.raises(ValueError, match=r'"right-pneumothorax" is what stored-16-bit is compared with; put it in'):
        Settings(qc={"films": ["normal", "stored-16-bit"]})
    assert Settings(qc={"films": ["right-pneumothorax", "stored-16-bit"]}).qc.films[1] == "stored-16-bit"
    assert Settings(qc={"films": ["normal"]}).qc.films == ("normal",)


PACS = {"name": "pacs", "ae_title": "PACS", "host": "10.0.0.5", "may": ["send"]}
CT = {"name": "ct", "ae_title": "PACS", "host": "10.0.0.5", "may": ["query"]}
OWN_TLS = {"ca_file": "ca.pem", "certificate_file": "own.pem", "key_file": "own.key"}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({}, "whoever calls by it is taken for both, and may query, send"),
        ({"host": "10.0.0.6"}, "a caller is told apart by its address alone, 10.0.0.5 or 10.0.0.6"),
        (
            {"tls": True},
            'over TLS the caller is "ct", and in the clear, without any certificate, it is "pacs" and may send',
        ),
    ],
)
def test_of_two_peers_with_one_title_it_is_said_who_is_taken_for_whom(other: dict[str, object], words: str) -> None:
    settings = Settings(node={"tls": OWN_TLS}, peers=[PACS, CT | other])
    (remark,) = same_titles(settings.peers)
    assert english(remark).startswith('peers "pacs" and "ct" have the same ae_title PACS')
    assert words in english(remark)
    assert remark in remarks(settings)
    assert same_titles(Settings(peers=[PACS, CT | {"ae_title": "CT"}]).peers) == []


def test_two_peers_with_one_title_are_remarked_wherever_settings_are_looked_at(site: Site) -> None:
    site.peer("other", "SENDER", 104, ["receive"])
    words = 'peers "sender" and "other" have the same ae_title SENDER'
    assert f"note: {words}" in site.run("settings", "check").stdout
    found = [c for c in site.json("doctor", "--no-network") if c["what"] == "settings"]
    assert [c["state"] for c in found if words in c["words"]] == ["note"]

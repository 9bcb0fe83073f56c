"""What an administrator copies must start, and must not open more than it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from agent.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = ("preread.service", "preread@.service")
BIN = Path(sys.executable).parent


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a command that exists here."""
    for file in (DEPLOY / "systemd").iterdir():
        content = file.read_text("utf-8").replace("/opt/preread/bin/preread", str(BIN / "preread"))
        (tmp_path / file.name).write_text(content, "utf-8")
    return tmp_path


def test_systemd_understands_every_line_of_the_units(units: Path) -> None:
    done = run(
        "systemd-analyze", "verify", units / "preread.service", units / "preread@read.service", units / "preread.target"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_a_mistake_in_a_unit(units: Path) -> None:
    """It would pass for the wrong reason if it never complained."""
    unit = units / "preread.service"
    unit.write_text(unit.read_text("utf-8").replace("ProtectSystem=strict", "ProtectSystem=strikt"), "utf-8")
    assert "strikt" in run("systemd-analyze", "verify", unit).stderr


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_gives_the_program_no_more_than_it_needs(units: Path, unit: str) -> None:
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", units / unit)
    assert done.returncode == 0, done.stdout[-400:]


def test_the_roles_of_the_units_are_those_of_the_program() -> None:
    from agent.service import ROLES

    words = (DEPLOY / "systemd" / "preread@.service").read_text("utf-8")
    assert all(f"preread@{role}" in words for role in ROLES)


def test_the_container_file_has_nothing_that_a_reviewer_would_stop(tmp_path: Path) -> None:
    file = DEPLOY / "container" / "Containerfile"
    done = run(BIN / "hadolint", file)
    assert (done.returncode, done.stdout) == (0, "")
    planted = tmp_path / "Containerfile"
    planted.write_text(file.read_text("utf-8").replace("python:3.12-slim-bookworm", "python", 1), "utf-8")
    assert "DL3006" in run(BIN / "hadolint", planted).stdout, (
        "it would pass for the wrong reason if it never complained"
    )


def test_the_container_holds_every_package_of_the_program() -> None:
    copied = (DEPLOY / "container" / "Containerfile").read_text("utf-8")
    pyproject = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text("utf-8"))
    for pattern in pyproject["tool"]["setuptools"]["packages"]["find"]["include"]:
        package = pattern.rstrip("*")
        assert f"COPY {package} ./{package}\n" in copied


def test_the_compose_file_fits_its_schema_and_its_settings_are_right() -> None:
    compose = DEPLOY / "container" / "compose.yaml"
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose)
    assert done.returncode == 0, done.stdout + done.stderr
    settings = load(DEPLOY / "container" / "settings.toml")
    orthanc = yaml.safe_load(compose.read_text("utf-8"))["services"]["orthanc"]
    (peer,) = settings.all_peers()
    assert peer.host == orthanc["networks"]["hospital"]["ipv4_address"]
    assert f'["{settings.node.ae_title}", ' in orthanc["environment"]["ORTHANC__DICOM_MODALITIES"]


def test_the_compose_file_of_a_ledger_on_a_server_fits_its_schema_and_names_settings_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = DEPLOY / "container" / "compose.postgres.yaml"
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose)
    assert done.returncode == 0, done.stdout + done.stderr
    services = yaml.safe_load(compose.read_text("utf-8"))["services"]
    assert services["preread"]["build"]["args"]["EXTRAS"] == "[postgres]"
    for name, value in services["preread"]["environment"].items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(tmp_path)))
    (tmp_path / "ledger-password").write_text("a-secret\n", "utf-8")
    url = make_url(load(DEPLOY / "container" / "settings.toml").database_url)
    server = services["ledger"]
    assert (url.host, url.username) == (
        server["networks"]["hospital"]["ipv4_address"],
        server["environment"]["POSTGRES_USER"],
    )
    assert url.password == "a-secret"


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "preread.yaml").read_text("utf-8")))


def test_kubernetes_takes_the_manifests() -> None:
    done = run(BIN / "kubernetes-validate", "--strict", DEPLOY / "kubernetes" / "preread.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" passed for resource ") == len(manifests()), done.stdout


def test_in_kubernetes_there_is_never_a_second_line_on_one_ledger(tmp_path: Path) -> None:
    """Two would answer for each other's films."""
    by_kind = {m["kind"]: m for m in reversed(manifests())}  # the first of each
    spec = by_kind["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert by_kind["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert by_kind["Service"]["spec"]["externalTrafficPolicy"] == "Local", "a peer is known by its own address"
    file = tmp_path / "settings.toml"
    file.write_text(by_kind["ConfigMap"]["data"]["settings.toml"], "utf-8")
    assert load(file).node.port == spec["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]


def test_in_kubernetes_the_pages_are_shown_over_https_and_by_the_name_of_the_ingress(tmp_path: Path) -> None:
    by_kind = {m["kind"]: m for m in reversed(manifests())}
    services = {m["metadata"]["name"]: m["spec"] for m in manifests() if m["kind"] == "Service"}
    ingress, file = by_kind["Ingress"]["spec"], tmp_path / "settings.toml"
    file.write_text(by_kind["ConfigMap"]["data"]["settings.toml"], "utf-8")
    web = load(file).web
    assert web.is_private and not web.is_local and web.proxies
    assert web.url == f"https://{ingress['rules'][0]['host']}"
    assert ingress["tls"][0]["hosts"] == [ingress["rules"][0]["host"]]
    (path,) = ingress["rules"][0]["http"]["paths"]
    (port,) = services[path["backend"]["service"]["name"]]["ports"]
    assert (port["name"], port["port"]) == (path["backend"]["service"]["port"]["name"], web.port)


def test_in_kubernetes_prometheus_is_let_in_and_shows_the_token_that_is_asked_for(tmp_path: Path) -> None:
    """Without one /metrics answers nobody beyond its own pod, and every alert rule stays silent."""
    by_kind = {m["kind"]: m for m in reversed(manifests())}
    file, pod = tmp_path / "settings.toml", by_kind["Deployment"]["spec"]["template"]["spec"]
    file.write_text(by_kind["ConfigMap"]["data"]["settings.toml"], "utf-8")
    token = load(file).web.token_file
    (volume,) = [v for v in pod["volumes"] if "secret" in v]
    (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == volume["name"]]
    assert token == Path(mount["mountPath"]) / "token"
    said = (DEPLOY / "kubernetes" / "preread.yaml").read_text("utf-8")
    assert f"kubectl create secret generic {volume['secret']['secretName']} -n preread --from-literal=token=" in said
    (web,) = [r for r in by_kind["NetworkPolicy"]["spec"]["ingress"] if r["ports"] == [{"port": "web"}]]
    names = [one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in web["from"]]
    assert names == ["ingress-nginx", "monitoring"]


def test_the_image_of_the_manifests_is_that_of_this_program() -> None:
    from agent.version import VERSION

    by_kind = {m["kind"]: m for m in reversed(manifests())}
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"cxr-preread:{VERSION}"


def test_every_command_that_these_files_start_is_one_of_the_program() -> None:
    from agent.cli import COMMANDS

    said = set[str]()
    for unit in UNITS:
        text = (DEPLOY / "systemd" / unit).read_text("utf-8")
        said |= set(re.findall(r"^Exec\w+=\S+ --settings \S+ (\S+)", text, re.MULTILINE))
    container = (DEPLOY / "container" / "Containerfile").read_text("utf-8")
    said |= set(re.findall(r'^CMD \["(\w+)"\]', container, re.MULTILINE))
    said |= set(re.findall(r'"/etc/preread/settings.toml", "(\w+)"', container))
    compose = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text("utf-8"))
    by_kind = {m["kind"]: m for m in reversed(manifests())}
    (pod,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    said |= {*compose["services"]["preread"]["command"], *pod["args"]}
    assert said == {"serve", "reload", "doctor"}
    assert said <= set(COMMANDS)

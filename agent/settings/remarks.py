"""What the settings may say, and what whoever wrote them has probably not meant. Sentences for the administrator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from agent.model.weights import licence_of
from agent.settings.network import PeerSettings
from agent.settings.settings import Settings
from agent.settings.values import same_place


def remarks(values: Settings, *, with_licence: bool = True) -> list[str]:
    """What is allowed and probably not meant; and the licence of the weights."""
    found = same_titles(values.peers)
    if not any("send" in p.may for p in values.peers):
        found.append('no [[peers]] entry may "send": every association will be rejected')
    if not values.destinations:
        found.append("no [[destinations]]: results will be kept here and sent nowhere")
    if values.intake.quiet_time_s < 1:
        found.append("intake.quiet_time_s is under 1 second: a study may be read before its last image has come")
    if any(u.lower().startswith("http:") for u in values.model.base_urls):
        found.append(
            "model.base_urls: pictures of patients go to a server unencrypted; https hides them from the network"
        )
    if values.model.recordings is not None and values.model.backend != "recorded":
        found.append("model.recordings: the words of every question are kept there, indications of patients among them")
    if values.web.enabled and not values.web.is_local and values.web.token_file is None:
        found.append("web.host: others can call, so /metrics answers nobody until web.token_file is named")
    if values.database.may_be_overheard:
        found.append(
            "database.url: names of patients go to another host, and nothing proves which; add ?sslmode=verify-full (and "
            "sslrootcert=FILE for the hospital's own authority)"
        )
    if with_licence and values.model.backend == "local" and (licence := licence_of(values.model.weights)):
        found.append(f"licence of the weights {values.model.weights}: {licence}")
    return found


def same_titles(peers: Sequence[PeerSettings]) -> list[str]:
    """Of every two peers with one AE title, which they are and what follows from it (`dicom_nodes.roles.admit`)."""
    return [_same_title(one, other) for one, other in combinations(peers, 2) if one.ae_title == other.ae_title]


def _same_title(one: PeerSettings, other: PeerSettings) -> str:
    both = f'peers "{one.name}" and "{other.name}" have the same ae_title {one.ae_title}'
    shown = "what is shown by AE title, such as a peer's last image and refusals, is that of both"
    if not same_place(one.host, other.host):
        told = f"a caller is told apart by its address alone, {one.host} or {other.host}"
        return f"{both}: {told}; {shown}. Give each a title of its own if you can"
    both += f" and the same host {one.host}"
    if one.tls != other.tls:
        plain, secure = (other, one) if one.tls else (one, other)
        told = (
            f'over TLS the caller is "{secure.name}", and in the clear, without any certificate, it is "{plain.name}"'
        )
        return f"{both}: {told} and may {_rights(plain)}. Give each a title of its own, or both tls"
    certificates = {one.certificate_name or one.host, other.certificate_name or other.host}
    if one.tls and len(certificates) == 2:
        return (
            f"{both}: a caller is told apart by its certificate alone; {shown}. Give each a title of its own if you can"
        )
    told = f"whoever calls by it is taken for both, and may {_rights(one, other)}, whichever of the two it is"
    return f"{both}: {told}. Give each a title of its own"


def _rights(*peers: PeerSettings) -> str:
    return " and ".join(sorted(set().union(*(p.may for p in peers)))) or "do nothing"

"""What the settings may say, and what whoever wrote them has probably not meant. For the administrator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from agent.model.weights import licence_of
from agent.sentence import Sentence, sentence
from agent.settings.network import PeerSettings
from agent.settings.settings import Settings
from agent.settings.values import same_place


def remarks(values: Settings, *, with_licence: bool = True) -> list[Sentence]:
    """What is allowed and probably not meant; and the licence of the weights."""
    found = same_titles(values.peers)
    if not any("send" in p.may for p in values.peers):
        found.append(sentence("remark.nobody-sends"))
    if not values.destinations:
        found.append(sentence("remark.no-destination"))
    if values.intake.quiet_time_s < 1:
        found.append(sentence("remark.quiet-time"))
    if any(u.lower().startswith("http:") for u in values.model.base_urls):
        found.append(sentence("remark.pictures-overheard"))
    if values.model.recordings is not None and values.model.backend != "recorded":
        found.append(sentence("remark.recordings"))
    if values.web.enabled and not values.web.is_local and values.web.token_file is None:
        found.append(sentence("remark.no-metrics"))
    if values.database.may_be_overheard:
        found.append(sentence("remark.database-overheard"))
    if with_licence and values.model.backend == "local" and (licence := licence_of(values.model.weights)):
        found.append(sentence("remark.licence", weights=values.model.weights, detail=licence))
    return found


def same_titles(peers: Sequence[PeerSettings]) -> list[Sentence]:
    """Of every two peers with one AE title, which they are and what follows from it (`dicom_nodes.roles.admit`)."""
    return [_same_title(one, other) for one, other in combinations(peers, 2) if one.ae_title == other.ae_title]


def _same_title(one: PeerSettings, other: PeerSettings) -> Sentence:
    both = {"one": one.name, "other": other.name, "title": one.ae_title, "host": one.host}
    if not same_place(one.host, other.host):
        return sentence("remark.title-by-address", **both, other_host=other.host)
    if one.tls != other.tls:
        plain, secure = (other, one) if one.tls else (one, other)
        return sentence("remark.title-by-tls", **both, secure=secure.name, plain=plain.name, rights=_rights(plain))
    certificates = {one.certificate_name or one.host, other.certificate_name or other.host}
    if one.tls and len(certificates) == 2:
        return sentence("remark.title-by-certificate", **both)
    return sentence("remark.title-of-both", **both, rights=_rights(one, other))


def _rights(*peers: PeerSettings) -> str:
    """As the settings write them."""
    return ", ".join(sorted(set().union(*(p.may for p in peers)))) or "[]"

"""Writing down what happened, as this node."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from agent.audit.event import About, Actor, AuditEvent, Kind, Outcome, Role, What
from agent.audit.message import encode
from agent.settings import Settings
from agent.store import audit

_STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root Query/Retrieve Information Model - FIND


@dataclass(frozen=True, slots=True)
class Trail:
    """The audit trail of this node. Every method writes one message in the transaction of what it is about: both are there,
    or neither."""

    ae_title: str
    host: str = ""
    person: Actor | None = None

    @classmethod
    def of(cls, settings: Settings) -> Trail:
        return cls(settings.node.ae_title, socket.gethostname())

    def acting(self, name: str, address: str) -> Trail:
        """The same trail while a person who has signed in acts, from that address: by name, in place of the process's user."""
        return replace(self, person=Actor(name, Role.LAUNCHER, address, asked=True))

    def started(self, tx: Connection, role: str, *, now: datetime) -> None:
        """A process of the line has started."""
        self._activity(tx, role, Kind.STARTED, now)

    def stopped(self, tx: Connection, role: str, *, now: datetime) -> None:
        """A process of the line has stopped."""
        self._activity(tx, role, Kind.STOPPED, now)

    def received(
        self, tx: Connection, ae_title: str, address: str, about: About, *, whole: bool = True, now: datetime
    ) -> None:
        """Images of one study have come over one association. `whole`: it came to an orderly end here."""
        sender = Actor(ae_title, Role.SOURCE, address, asked=True)
        outcome = Outcome.SUCCESS if whole else Outcome.MINOR_FAILURE
        self._write(
            tx, AuditEvent(What.TRANSFERRED, (sender, self._as(Role.DESTINATION)), outcome=outcome, about=about), now
        )

    def sent(self, tx: Connection, destination: str, about: About, *, dicom: bool, now: datetime) -> None:
        """A document has been delivered: a DICOM object, or something else that left for another system."""
        what = What.TRANSFERRED if dicom else What.EXPORTED
        actors = (self._as(Role.SOURCE, asked=True), Actor(destination, Role.DESTINATION))
        self._write(tx, AuditEvent(what, actors, about=about), now)

    def queried(self, tx: Connection, peer: str, model: str, about: About, *, now: datetime) -> None:
        """Another system was asked about the patient of a study."""
        actors = (self._as(Role.SOURCE, asked=True), Actor(peer, Role.DESTINATION))
        self._write(tx, AuditEvent(What.QUERIED, actors, about=about, asked_of=model), now)

    def compared(self, tx: Connection, peer: str, *, now: datetime) -> None:
        """A person has had another system asked for all that it has of some days, to compare it with what is known here."""
        actors = (self._who(), Actor(peer, Role.DESTINATION))
        self._write(tx, AuditEvent(What.QUERIED, actors, asked_of=_STUDY_ROOT), now)

    def asked(self, tx: Connection, *, now: datetime) -> None:
        """A person was shown a list of studies (PS3.15 A.5.3.10): as when the keys of a study are asked for by C-FIND. What was asked
        for may name a patient, and is not written down."""
        actors = (self._who(), self._as(Role.APPLICATION))
        self._write(tx, AuditEvent(What.QUERIED, actors, asked_of=_STUDY_ROOT), now)

    def refused(self, tx: Connection, caller: str, address: str, reason: str, *, now: datetime) -> None:
        """Somebody was not let in."""
        actors = (Actor(caller or "unknown", Role.SOURCE, address, asked=True), self._as(Role.DESTINATION))
        event = AuditEvent(What.SECURITY_ALERT, actors, Kind.NODE_AUTHENTICATION, Outcome.MINOR_FAILURE, reason=reason)
        self._write(tx, event, now)

    def signed_in(self, tx: Connection, account: str, address: str, *, now: datetime) -> None:
        """A person has signed in (PS3.15 A.5.3.12)."""
        self._authenticated(tx, Kind.LOGIN, account, address, Outcome.SUCCESS, now)

    def not_signed_in(
        self, tx: Connection, account: str, address: str, *, serious: bool = False, now: datetime
    ) -> None:
        """Somebody was not let in. `account`: empty when there is none of that name, for what was typed may be a password.
        `serious`: the account is locked, or is on its way there."""
        outcome = Outcome.SERIOUS_FAILURE if serious else Outcome.MINOR_FAILURE
        self._authenticated(tx, Kind.LOGIN, account or "unknown", address, outcome, now)

    def signed_out(self, tx: Connection, account: str, address: str, *, now: datetime) -> None:
        """A person has signed out."""
        self._authenticated(tx, Kind.LOGOUT, account, address, Outcome.SUCCESS, now)

    def rights_changed(self, tx: Connection, account: str, action: str, *, roles: bool, now: datetime) -> None:
        """What an account may do, or how it signs in, is another than before (PS3.15 A.5.3.11).

        Args:
            action: our own stable code of what was done.
            roles: whether it is about the role; else about password, lock, or whether the account counts at all.
        """
        kind = Kind.SECURITY_ROLES_CHANGED if roles else Kind.USER_SECURITY_ATTRIBUTES_CHANGED
        actors = (self._who(), self._as(Role.APPLICATION))
        self._write(tx, AuditEvent(What.SECURITY_ALERT, actors, kind, reason=action, account=account), now)

    def locked(self, tx: Connection, account: str, address: str, *, now: datetime) -> None:
        """Too many wrong passwords in a row: for a while the account lets nobody in."""
        actors = (Actor("unknown", Role.SOURCE, address, asked=True), self._as(Role.APPLICATION))
        kind = Kind.USER_SECURITY_ATTRIBUTES_CHANGED
        event = AuditEvent(What.SECURITY_ALERT, actors, kind, Outcome.MINOR_FAILURE, reason="locked", account=account)
        self._write(tx, event, now)

    def configuration_changed(self, tx: Connection, what: str, *, now: datetime) -> None:
        """A person has changed who this node talks to; `what` is our own code for it."""
        actors = (self._who(), self._as(Role.APPLICATION))
        self._write(tx, AuditEvent(What.SECURITY_ALERT, actors, Kind.NETWORK_CONFIGURATION, reason=what), now)

    def restored(self, tx: Connection, *, now: datetime) -> None:
        """A person has brought the ledger back from a backup: what the trail held after that was made is not in it any more."""
        actors = (self._who(), self._as(Role.APPLICATION))
        event = AuditEvent(What.SECURITY_ALERT, actors, Kind.SOFTWARE_CONFIGURATION, reason="restored-from-backup")
        self._write(tx, event, now)

    def moved(self, tx: Connection, *, now: datetime) -> None:
        """A person has moved the ledger, and the trail with it, to another database."""
        actors = (self._who(), self._as(Role.APPLICATION))
        event = AuditEvent(What.SECURITY_ALERT, actors, Kind.SOFTWARE_CONFIGURATION, reason="moved-to-another-database")
        self._write(tx, event, now)

    def by_hand(self, tx: Connection, what: What, action: str, about: About, *, now: datetime) -> None:
        """A person did something to a study, or looked at it. The person's account is named, the reason given is not."""
        actors = (self._who(), self._as(Role.APPLICATION))
        self._write(tx, AuditEvent(what, actors, about=about, reason=action), now)

    def deleted(self, tx: Connection, about: About, *, now: datetime) -> None:
        """A study was taken out of this node."""
        actors = (self._who(), self._as(Role.APPLICATION))
        self._write(tx, AuditEvent(What.STUDY_DELETED, actors, about=about), now)

    def forgotten(self, tx: Connection, what: What, patient_id: str, *, now: datetime) -> None:
        """What was heard of a patient, or of his or her orders, was let go; no study of it was here. `patient_id`: empty where
        the order named none."""
        actors = (self._who(), self._as(Role.APPLICATION))
        self._write(tx, AuditEvent(what, actors, about=About("", patient_id)), now)

    def _authenticated(
        self, tx: Connection, kind: Kind, account: str, address: str, outcome: Outcome, now: datetime
    ) -> None:
        actors = (Actor(account, Role.LAUNCHER, address or "unknown", asked=True), self._as(Role.APPLICATION))
        self._write(tx, AuditEvent(What.USER_AUTHENTICATION, actors, kind, outcome), now)

    def _activity(self, tx: Connection, role: str, kind: Kind, now: datetime) -> None:
        actors = (Actor(f"{self.ae_title} {role}", Role.APPLICATION), Actor(_user(), Role.LAUNCHER, asked=True))
        self._write(tx, AuditEvent(What.STARTED_OR_STOPPED, actors, kind), now)

    def _who(self) -> Actor:
        return self.person or Actor(_user(), Role.LAUNCHER, asked=True)

    def _as(self, role: Role, *, asked: bool = False) -> Actor:
        return Actor(self.ae_title, role, asked=asked)

    def _write(self, tx: Connection, event: AuditEvent, now: datetime) -> None:
        source = f"{self.ae_title}@{self.host}" if self.host else self.ae_title
        audit.append(tx, encode(event, at=now, source=source, process=os.getpid()), now=now)


def _user() -> str:
    return f"uid {os.getuid()}"

"""What happened, before it is written as a message: actors, study, outcome. No findings, no free text, one patient each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class What(Enum):
    """Event ID (PS3.15 A.5.3, PS3.16 CID 400) with its Event Action Code."""

    STARTED_OR_STOPPED = ("110100", "Application Activity", "E")
    TRANSFERRED = ("110104", "DICOM Instances Transferred", "C")
    STUDY_DELETED = ("110105", "DICOM Study Deleted", "D")
    EXPORTED = ("110106", "Export", "R")
    QUERIED = ("110112", "Query", "E")
    SECURITY_ALERT = ("110113", "Security Alert", "E")
    USER_AUTHENTICATION = ("110114", "User Authentication", "E")
    ORDER_DELETED = ("110109", "Order Record", "D")
    PATIENT_DELETED = ("110110", "Patient Record", "D")
    ACCESSED = ("110103", "DICOM Instances Accessed", "U")

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def meaning(self) -> str:
        return self.value[1]

    @property
    def action(self) -> str:
        return self.value[2]


class Kind(Enum):
    """Event Type Code (PS3.16 CID 401)."""

    STARTED = ("110120", "Application Start")
    STOPPED = ("110121", "Application Stop")
    LOGIN = ("110122", "Login")
    LOGOUT = ("110123", "Logout")
    NODE_AUTHENTICATION = ("110126", "Node Authentication")
    NETWORK_CONFIGURATION = ("110128", "Network Configuration")
    SOFTWARE_CONFIGURATION = ("110131", "Software Configuration")
    USE_OF_RESTRICTED_FUNCTION = ("110132", "Use of Restricted Function")
    SECURITY_ROLES_CHANGED = ("110136", "Security Roles Changed")
    USER_SECURITY_ATTRIBUTES_CHANGED = ("110137", "User Security Attributes Changed")


class Outcome(Enum):
    """Event Outcome Indicator (RFC 3881 5.1.4)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"


class Role(Enum):
    """Role ID Code (PS3.16 CID 402)."""

    APPLICATION = ("110150", "Application")
    LAUNCHER = ("110151", "Application Launcher")
    DESTINATION = ("110152", "Destination Role ID")
    SOURCE = ("110153", "Source Role ID")


@dataclass(frozen=True, slots=True)
class Actor:
    """One who took part.

    Attributes:
        id: AE title, name of a destination, or of the user of a command.
        address: host name or IP address; empty for this machine.
        asked: whether it began what happened.
    """

    id: str
    role: Role
    address: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """The study and the patient it is about. `study_instance_uid`: empty where it is about no study; `sop_classes`: how many
    instances of each."""

    study_instance_uid: str
    patient_id: str = ""
    sop_classes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event.

    Attributes:
        reason: our own stable code of what was refused or done by hand; never words.
        asked_of: for a query, the SOP class UID of the information model.
        account: for a security alert, the account that it is about.
    """

    what: What
    actors: tuple[Actor, ...]
    kind: Kind | None = None
    outcome: Outcome = Outcome.SUCCESS
    about: About | None = None
    reason: str = ""
    asked_of: str = ""
    account: str = ""

"""Frozen, typed settings from `settings.toml`, the environment and secret files.

Order of precedence: environment variables (``PREREAD_NODE__PORT=104``), then the file, then the defaults.
Unknown keys and unknown ``PREREAD_`` variables are refused with their path, because a misspelt setting that is
silently ignored is found on the day it matters.
"""

from agent.settings.audit import Audit, Syslog
from agent.settings.beside import Beside
from agent.settings.database import Database
from agent.settings.health import AlarmMail, Alarms, AlarmWebhook, Web
from agent.settings.keeping import Keeping
from agent.settings.line import Delivery, Intake, Log, Report, Storage
from agent.settings.load import InvalidSettings, Mistake, SettingsFile, find, load, read
from agent.settings.matching import Matching
from agent.settings.network import (
    DestinationSettings,
    DicomDestinationSettings,
    FolderDestinationSettings,
    Hl7DestinationSettings,
    Node,
    PeerSettings,
)
from agent.settings.orders import Orders
from agent.settings.priors import OWN_STORE, Priors, Worklist
from agent.settings.reading import Gate, ModelSettings, Qc, QcFilm, Triage
from agent.settings.settings import Settings
from agent.settings.signing import Oidc
from agent.settings.tls import Tls
from agent.settings.web import DicomwebSettings, StowDestinationSettings, WebhookDestinationSettings

__all__ = [
    "OWN_STORE",
    "AlarmMail",
    "AlarmWebhook",
    "Alarms",
    "Audit",
    "Beside",
    "Database",
    "Delivery",
    "DestinationSettings",
    "DicomDestinationSettings",
    "DicomwebSettings",
    "FolderDestinationSettings",
    "Gate",
    "Hl7DestinationSettings",
    "Intake",
    "InvalidSettings",
    "Keeping",
    "Log",
    "Matching",
    "Mistake",
    "ModelSettings",
    "Node",
    "Oidc",
    "Orders",
    "PeerSettings",
    "Priors",
    "Qc",
    "QcFilm",
    "Report",
    "Settings",
    "SettingsFile",
    "Storage",
    "StowDestinationSettings",
    "Syslog",
    "Tls",
    "Triage",
    "Web",
    "WebhookDestinationSettings",
    "Worklist",
    "find",
    "load",
    "read",
]

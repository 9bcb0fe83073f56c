"""What can be wrong, by stable codes."""

from __future__ import annotations

from dataclasses import dataclass

# Code -> what it means, and what the person can do. docs/health.md says the same at length.
WORDS = {
    "process-silent": "a process of the line gives no sign of life; see its log, start it again",
    "process-stopped": "a process of the line is stopped while others run; start it: preread serve",
    "process-missing": "a process of the line has never run here; start it: preread serve",
    "ledger-unanswered": "the ledger cannot be read; see preread doctor",
    "disk-filling": "free space (database.url: of the ledger) is below three times storage.reserve_gb; free some before images are refused",
    "disk-low": "free space (database.url: of the ledger) is below storage.reserve_gb: images are answered A700; free some",
    "stage-stands": "a stage has work and has finished none for alarms.standing_min; see preread studies --trouble",
    "stage-parked": "work of a stage is parked, nobody tries it any more; see preread studies --trouble",
    "deliveries-parked": "deliveries to a destination are parked, nobody tries them any more; see preread studies --trouble",
    "certificate-ends": "a certificate runs out within alarms.certificate_days, or has; renew it",
    "certificate-unusable": "a certificate, or the key that belongs to it, cannot be used; see preread doctor",
    "model-not-loaded": "the model is not loaded, studies wait for it; see preread doctor",
    "constancy-test": "the constancy test failed, or is overdue; see preread qc --last",
    "audit-not-forwarded": "the syslog server has been sent nothing for alarms.standing_min; the trail waits here; see preread doctor",
    "web-not-listening": "the web server of the office cannot listen on web.port; see preread doctor",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong.

    Attributes:
        code: a key of `WORDS`.
        about: a destination, a role, a stage or a key of the settings; empty where the code says it all.
        count: how many, where that can be counted.
    """

    code: str
    about: str = ""
    count: int = 1

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same trouble as before; how many may change."""
        return self.code, self.about

"""What a destination of DICOM documents may be sent beside the Structured Report."""

from __future__ import annotations

from agent.settings.types import Frozen


class Beside(Frozen):
    """Documents for viewers that show no Structured Report, or only simple ones, each marked unverified; and the note that has an archive
    hide what is wrong by now."""

    summary_image: bool = False
    presentation_state: bool = False
    plain_sr: bool = False
    rejection_note: bool = False

    def kinds(self) -> frozenset[str]:
        """The kinds of documents that are switched on."""
        switched = {
            "sc": self.summary_image,
            "gsps": self.presentation_state,
            "plain-sr": self.plain_sr,
            "ko": self.rejection_note,
        }
        return frozenset(kind for kind, on in switched.items() if on)

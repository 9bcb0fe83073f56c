"""Which build of what reads: the provenance that every result carries."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from agent.model.protocol import ModelIdentity
from agent.settings import Report
from agent.version import VERSION
from structured_report.content import Provenance

MANUFACTURER = "cxr-preread project"
ALGORITHM = "cxr-preread"
# The namespace below which this program derives UIDs, as 2.25.<UUID as integer> (PS3.5 B.2): the same facts give the
# same UID on every machine.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tag:cxr-preread,2026:derived-uids")


def derived_uid(*parts: str) -> str:
    """A UID that is a function of its parts; at most 44 characters."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(0).join(parts)).int}"


def derived_control_id(*parts: str) -> str:
    """A message control id (MSH-10) that is a function of its parts: 20 characters, ``PR`` and 18 hexadecimal
    digits."""
    return f"PR{uuid.uuid5(_NAMESPACE, chr(0).join(('MSH-10', *parts))).hex[:18].upper()}"


@dataclass(frozen=True, slots=True)
class Build:
    """The parts of the provenance that the site and this program decide."""

    institution_name: str
    station_name: str

    @classmethod
    def of(cls, report: Report) -> Build:
        """The build at that site."""
        return cls(report.institution_name, report.station_name)

    def with_model(self, model: ModelIdentity, prompt_id: str) -> Provenance:
        """Provenance of a result that the model gave. Another weight file, quantization, prompt or program version is
        another device."""
        return replace(
            self.without_model(),
            model_name=model.name[:64],
            weights_digest=model.weights_digest,
            quantization=model.quantization,
            prompt_id=prompt_id,
            for_commissioning=model.for_commissioning,
            device_uid=derived_uid("device", VERSION, model.weights_digest, model.quantization, prompt_id),
        )

    def without_model(self) -> Provenance:
        """Provenance of a result that no model was asked for, such as "not analysed"."""
        return Provenance(
            manufacturer=MANUFACTURER,
            model_name=ALGORITHM,
            algorithm_name=ALGORITHM,
            algorithm_version=VERSION,
            weights_digest="",
            quantization="",
            prompt_id="",
            device_uid=derived_uid("device", VERSION),
            station_name=self.station_name,
            institution_name=self.institution_name,
        )

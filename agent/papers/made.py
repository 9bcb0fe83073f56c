"""Which papers there are, and what makes each of their blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.papers import dicom, hl7, report, settings
from agent.version import VERSION

PAPERS = ("conformance.md", "hl7.md", "ihe.md", "administrator.md")


def version() -> str:
    return f"cxr-preread {VERSION}"


MAKERS: Mapping[str, Callable[[], str]] = {
    "version": version,
    "services": dicom.services_table,
    "accepted": dicom.accepted_table,
    "transfer-syntaxes": dicom.syntaxes_table,
    "proposed": dicom.proposed_table,
    "answers": dicom.answers_table,
    "store-answers": dicom.store_answers_table,
    "commitment-answers": dicom.commitment_table,
    "query-answers": dicom.query_table,
    "rejections": dicom.rejections_table,
    "association": dicom.association_table,
    "character-sets": dicom.character_sets_table,
    "report-attributes": report.attributes_table,
    "report-content": report.content_table,
    "node-settings": lambda: "\n\n".join(
        f"`[{name}]`\n\n{settings.one_table(name)}" for name in ("node", "node.tls", "peers", "intake")
    ),
    "all-settings": settings.all_tables,
    "hl7-kinds": hl7.kinds_table,
    "hl7-heard": hl7.heard,
    "hl7-fields": hl7.fields_table,
    "hl7-choices": hl7.choices_table,
    "hl7-character-sets": hl7.character_sets_table,
    "hl7-acknowledgements": hl7.acknowledgements_table,
    "hl7-result": hl7.result_example,
    "hl7-other-form": hl7.other_form_example,
    "hl7-flag": hl7.flag_example,
    "hl7-not-analysed": hl7.not_analysed_example,
    "hl7-retraction": hl7.retraction_example,
}

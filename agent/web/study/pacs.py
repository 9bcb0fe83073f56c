"""Where a study is opened in the PACS, by the site's own template."""

from __future__ import annotations

import re
from urllib.parse import quote

_FIELD = re.compile(r"\{([a-z_]+)\}")


def pacs_link(template: str, *, study_instance_uid: str, accession_number: str) -> str:
    """The address of a study; empty where the site names none, or where it asks for a number that the study does not have.

    Args:
        template: of the settings (`web.pacs_link`), checked there.
    """
    values = {"study_instance_uid": study_instance_uid, "accession_number": accession_number.strip()}
    if not all(values[name] for name in _FIELD.findall(template)):
        return ""
    return _FIELD.sub(lambda field: quote(values[field[1]], safe=""), template)

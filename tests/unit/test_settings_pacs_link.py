"""Where a study is opened in the PACS: an address that is one, or a refusal that says what is wrong."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agent.settings import Web


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://pacs.example.org/viewer?study={study_instance_uid}",
        "http://10.1.2.3:8042/ui/app/#/open?a={accession_number}&s={study_instance_uid}",
    ],
)
def test_a_link_that_is_one_is_taken(link: str) -> None:
    assert Web(pacs_link=link).pacs_link == link


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("javascript:alert({study_instance_uid})", "http"),
        ("https://pacs.example.org/viewer", "must name the study"),
        ("https://pacs.example.org/{patient_name}", "patient_name"),
        ("https://{accession_number}.example.org/", "host"),
        ("https://pacs/?s={study_instance_uid}}", "must name the study"),
        ("https://u:p@pacs/?s={study_instance_uid}", "user or a password"),
        ("https://pacs/a b?s={study_instance_uid}", "http"),
        ("//pacs/?s={study_instance_uid}", "http"),
    ],
)
def test_a_link_that_would_lead_elsewhere_is_refused_in_words(link: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Web(pacs_link=link)

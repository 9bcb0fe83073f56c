"""Papers that lag behind the program are worse than none: the site builds on them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.hl7.ack import Ack, judge
from agent.papers import dicom, hl7, settings
from agent.papers.blocks import MissingRow, UnknownBlock, filled, names_in, outdated, table
from agent.papers.made import MAKERS, PAPERS
from agent.settings import Settings
from agent.store import messages
from dicom_nodes import contexts, roles, status

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("paper", PAPERS)
def test_every_table_of_the_papers_is_the_program_s_own(paper: str) -> None:
    assert outdated((DOCS / paper).read_text("utf-8"), MAKERS) == [], "run: make papers"


def test_every_table_that_is_made_stands_in_a_paper() -> None:
    used = {name for paper in PAPERS for name in names_in((DOCS / paper).read_text("utf-8"))}
    assert used == set(MAKERS)


def test_the_command_says_which_block_is_out_of_date_and_mends_it(tmp_path: Path) -> None:
    for paper in PAPERS:
        shutil.copy(DOCS / paper, tmp_path / paper)
    file = tmp_path / "conformance.md"
    whole = file.read_text("utf-8")
    file.write_text(whole.replace("JPEG-LS Near-lossless", "JPEG-XL"), "utf-8")
    run = [sys.executable, "-m", "agent.papers", "--docs", str(tmp_path)]
    stale = subprocess.run([*run, "--check"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert stale.returncode == 1
    assert "transfer-syntaxes is out of date" in stale.stderr
    assert subprocess.run(run, check=False, cwd=ROOT).returncode == 0
    assert file.read_text("utf-8") == whole
    assert subprocess.run([*run, "--check"], check=False, cwd=ROOT).returncode == 0


def test_a_block_that_nothing_makes_is_refused() -> None:
    with pytest.raises(UnknownBlock, match="nonsense"):
        filled("<!-- begin: nonsense -->\n<!-- end: nonsense -->", MAKERS)
    with pytest.raises(UnknownBlock):
        names_in("<!-- begin: version -->\n")


def test_a_bar_in_a_cell_makes_no_column() -> None:
    assert table(("a", "b"), [("x|y", "two\nlines")]).splitlines()[-1] == "| x\\|y | two lines |"


def test_a_new_sop_class_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "CHEST_CAD", "1.2.840.10008.5.1.4.1.1.88.65", raising=False)
    with pytest.raises(MissingRow, match="CHEST_CAD"):
        dicom.accepted_table()
    with pytest.raises(MissingRow, match="CHEST_CAD"):
        dicom.proposed_table()


def test_a_new_transfer_syntax_and_a_new_context_show_up_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    more = (*contexts.TRANSFER_SYNTAXES, contexts.TransferSyntax("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", True))
    monkeypatch.setattr(contexts, "TRANSFER_SYNTAXES", more)
    assert "JPEG XL Lossless" in dicom.syntaxes_table()


def test_a_new_status_or_rejection_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "TOO_EARLY", roles.Rejection(1, 1, 1, "too-early"), raising=False)
    with pytest.raises(MissingRow, match="too-early"):
        dicom.rejections_table()
    monkeypatch.setattr(status, "SOMETHING_NEW", 0x0123, raising=False)
    with pytest.raises(MissingRow, match="SOMETHING_NEW"):
        dicom.store_answers_table()


def test_a_new_field_or_kind_of_message_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(hl7._MEANS, "OBX-8")
    with pytest.raises(MissingRow, match="OBX-8"):
        hl7.fields_table()
    monkeypatch.setattr(hl7, "MESSAGES", (*messages.MESSAGES, "addendum"))
    with pytest.raises(MissingRow, match="addendum"):
        hl7.kinds_table()


def test_a_setting_without_words_is_missed_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = settings.REFERENCE.read_text("utf-8").splitlines()
    poor = tmp_path / "settings.toml"
    poor.write_text("\n".join(line for line in lines if not line.startswith("quiet_time_s")), "utf-8")
    monkeypatch.setattr(settings, "REFERENCE", poor)
    with pytest.raises(MissingRow, match=r"intake\.quiet_time_s"):
        settings.all_tables()


def test_every_section_of_the_settings_has_its_table() -> None:
    known = settings.tables()
    for section in Settings.model_fields:
        assert any(name.partition(".")[0] == section for name in known), section
    assert "`undeclared_character_set`" in settings.all_tables()


LISTENING = (
    "agent/intake/admission",
    "agent/intake/inspect",
    "agent/intake/commitments",
    "dicom_nodes/exchange",
    "dicom_nodes/scp",
)


@pytest.mark.parametrize("module", LISTENING)
def test_every_status_that_the_listening_side_can_answer_is_in_the_statement(module: str) -> None:
    tree = ast.parse((ROOT / f"{module}.py").read_text("utf-8"))
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "dicom_nodes.status"]
    used = {alias.name for n in imports for alias in n.names if alias.name.isupper()}
    assert used <= {name for _, name, _ in dicom.ANSWERS}, "add the status to ANSWERS in agent/papers/dicom.py"


def test_the_words_about_acknowledgements_are_those_of_the_judge() -> None:
    """The table is asked of the judge; that it is the one that delivers is asked here."""
    rows = [r for r in hl7.acknowledgements_table().splitlines() if r.startswith("| AE | none")]
    assert len(rows) == 1
    assert judge(Ack("AE", "X", ())).name == "TRY_AGAIN"
    assert "again" in rows[0]


def test_hl7_that_comes_in_is_described_when_it_is_there() -> None:
    paper = (DOCS / "hl7.md").read_text("utf-8")
    listens = "orders" in Settings.model_fields
    assert ("listens for no HL7 messages" in paper) is not listens, "docs/hl7.md, Messages that come in"


def test_the_ihe_statement_claims_no_conformance() -> None:
    paper = (DOCS / "ihe.md").read_text("utf-8")
    assert "designed to" in paper
    assert "claims no conformance" in paper
    for claim in ("certified", "conforms to", "compliant", "passed the"):
        assert claim not in paper


@pytest.mark.parametrize("paper", PAPERS)
def test_every_link_of_the_papers_leads_somewhere(paper: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (DOCS / paper).read_text("utf-8")):
        assert (DOCS / target).resolve().exists(), target

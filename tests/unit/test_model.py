"""The real loader on a checkpoint of the real architecture: what was asked for is what runs, or it says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from agent.errors import ModelUnavailable, Permanent, Transient
from agent.model.local import LocalModel, assert_quantized, load_local
from agent.model.parsing import Reply, parse_reply
from agent.model.protocol import Picture
from agent.model.reading_protocol import builtin
from agent.model.shared_prefix import LocalSession
from agent.model.weights import find_weights, weights_digest
from agent.reading.labels import label
from structured_report.content import Laterality, Presence
from tests.support.films import picture
from tests.support.site import PATIENCE_S

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]
PROTOCOL = builtin("chexone")
PROMPT = PROTOCOL.prompt(PROTOCOL.task("findings"))


def pictures(kind: str, *views: str, seed: int = 7) -> list[Picture]:
    return [picture(kind, view, seed=seed) for view in views]


SHOWN = {
    "clear": set(),
    "left-effusion": {("pleural_effusion", Laterality.LEFT)},
    "right-effusion": {("pleural_effusion", Laterality.RIGHT)},
    "right-pneumothorax": {("pneumothorax", Laterality.RIGHT)},
    "cardiomegaly": {("cardiomegaly", None)},
}

# What the shipped model adds to most films of that kind; its card says so, and counts it.
ADDED = {"right-pneumothorax": {("chest_tube", Laterality.RIGHT)}}


@pytest.mark.parametrize("quantization", ["nf4", "int8", "none"])
@pytest.mark.parametrize("kind", SHOWN)
def test_a_quantized_model_reads_what_it_was_taught(
    load: Callable[[str], LocalModel], quantization: str, kind: str
) -> None:
    model = load(quantization)
    assert model.identity.quantization == quantization
    for views in (("PA",), ("PA", "LL")):
        session = model.open_study(pictures(kind, *views), system=PROTOCOL.system)
        answer = session.ask(PROMPT, pictures=range(len(views)), max_new_tokens=400, deadline_s=PATIENCE_S)
        parsed = parse_reply(answer.text, finished=answer.finished)
        assert isinstance(parsed, Reply)
        found = {(f.concept, f.laterality) for f in label(parsed.answer) if f.presence is Presence.PRESENT}
        assert found - ADDED.get(kind, set()) == SHOWN[kind]
        assert parsed.reasoning
        session.close()
        session.close()


def test_the_same_question_gets_the_same_answer(load: Callable[[str], LocalModel]) -> None:
    session = opened(load("nf4"), "left-effusion", "PA")
    asked = [session.ask(PROMPT, pictures=[0], max_new_tokens=300, deadline_s=PATIENCE_S).text for _ in range(2)]
    again = (
        opened(load("nf4"), "left-effusion", "PA")
        .ask(PROMPT, pictures=[0], max_new_tokens=300, deadline_s=PATIENCE_S)
        .text
    )
    assert asked[0] == asked[1] == again


def opened(model: LocalModel, kind: str, *views: str) -> LocalSession:
    return model.open_study(pictures(kind, *views), system=PROTOCOL.system)


def test_what_was_quantized_is_asserted(load: Callable[[str], LocalModel]) -> None:
    for loaded in ("nf4", "int8", "none"):
        for claimed in ("nf4", "int8", "none"):
            if claimed == loaded:
                assert_quantized(load(loaded).inner, claimed)
            else:
                with pytest.raises(Permanent, match="was asked for"):
                    assert_quantized(load(loaded).inner, claimed)
    with pytest.raises(Permanent):
        assert_quantized(torch.nn.Sequential(), "none")


def test_a_model_past_its_deadline_stops_within_a_token(load: Callable[[str], LocalModel]) -> None:
    session = opened(load("none"), "clear", "PA")
    with pytest.raises(Transient) as error:
        session.ask(PROMPT, pictures=[0], max_new_tokens=400, deadline_s=0.0)
    assert error.value.code == "model-timeout"
    assert "1 tokens" in str(error.value)


def test_a_reading_that_is_interrupted_stops_within_a_token_and_can_go_on(load: Callable[[str], LocalModel]) -> None:
    session, calls = opened(load("none"), "clear", "PA"), []

    def interrupt() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("somebody else")

    with pytest.raises(KeyError):
        session.ask(PROMPT, pictures=[0], max_new_tokens=400, deadline_s=PATIENCE_S, between_tokens=interrupt)
    assert len(calls) == 3
    after = session.ask(PROMPT, pictures=[0], max_new_tokens=400, deadline_s=PATIENCE_S)
    alone = opened(load("none"), "clear", "PA").ask(PROMPT, pictures=[0], max_new_tokens=400, deadline_s=PATIENCE_S)
    assert (after.text, after.tokens) == (alone.text, alone.tokens)


def test_time_that_went_to_others_is_not_held_against_a_reading(
    load: Callable[[str], LocalModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("agent.model.shared_prefix.time", SimpleNamespace(monotonic=lambda: now[0]))

    def elsewhere() -> None:
        now[0] += 1000.0

    answer = opened(load("none"), "clear", "PA").ask(
        PROMPT, pictures=[0], max_new_tokens=400, deadline_s=1.0, between_tokens=elsewhere
    )
    assert (answer.finished, answer.seconds) == (True, 0.0)


def test_a_reply_that_is_cut_off_says_so(load: Callable[[str], LocalModel]) -> None:
    answer = opened(load("none"), "clear", "PA").ask(PROMPT, pictures=[0], max_new_tokens=8, deadline_s=PATIENCE_S)
    assert (answer.finished, answer.tokens) == (False, 8)


def test_choices_are_shares(load: Callable[[str], LocalModel]) -> None:
    session = opened(load("none"), "clear", "PA")
    prompts = ["Is there an effusion?", "Does this chest X-ray contain a pneumothorax, or does it not?"]
    for answer in session.choose(prompts, pictures=[0], choices=[["yes", "Yes"], ["no"]], deadline_s=PATIENCE_S):
        assert answer.shares is not None
        assert sum(answer.shares) == pytest.approx(1.0)
    with pytest.raises(Permanent, match="same token"):
        session.choose(["?"], pictures=[0], choices=[["yes"], ["yes"]], deadline_s=PATIENCE_S)


def test_a_study_without_pictures_is_refused(load: Callable[[str], LocalModel]) -> None:
    with pytest.raises(Permanent):
        load("none").open_study([], system="x")


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_a_checkpoint_with_a_hole_is_not_filled_with_noise(tmp_path: Path, checkpoint: Path, quantization: str) -> None:
    """The library loads it and draws the missing tensor at random: it reads, and reads nonsense."""
    holed = shutil.copytree(checkpoint, tmp_path / "holed")
    tensors = load_file(holed / "model.safetensors")
    lost = next(k for k in tensors if "mlp.down_proj" in k)
    del tensors[lost]
    save_file(tensors, holed / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Permanent, match="1 tensors are missing") as refused:
        load_local(str(holed), quantization=quantization, device="cpu")
    assert refused.value.code == "model-not-loadable"


def test_a_folder_that_is_not_a_model_is_named(tmp_path: Path, checkpoint: Path) -> None:
    for make, code in (
        (lambda p: None, "not-a-model"),
        (lambda p: (p / "config.json").write_text(json.dumps({"model_type": "llama"})), "not-a-model"),
        (lambda p: (p / "config.json").write_text("{"), "not-a-model"),
        (lambda p: shutil.copy(checkpoint / "config.json", p), "model-not-loadable"),
    ):
        folder = tmp_path / "weights"
        folder.mkdir()
        make(folder)
        with pytest.raises(Permanent) as error:
            load_local(str(folder), quantization="none", device="cpu")
        assert error.value.code == code
        assert str(folder) in str(error.value)
        shutil.rmtree(folder)
    with pytest.raises(Permanent) as error:
        load_local(str(tmp_path / "nowhere"), quantization="none", device="cpu")
    assert error.value.code == "weights-missing"


def test_a_device_that_is_not_there_is_named(checkpoint: Path) -> None:
    with pytest.raises(Permanent, match="this machine has"):
        load_local(str(checkpoint), quantization="none", device="cuda:99")


def test_the_hub_out_of_reach_is_worth_another_try(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="copy the model to a folder"):
        find_weights("StanfordAIMI/CheXOne")


def test_the_commit_that_was_commissioned_is_loaded_and_not_the_newest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commissioned, newest = "1" * 40, "2" * 40
    kept = tmp_path / "models--StanfordAIMI--CheXOne"
    for commit in (commissioned, newest):
        (kept / "snapshots" / commit).mkdir(parents=True)
        (kept / "snapshots" / commit / "config.json").write_text(commit, "utf-8")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(newest, "utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert find_weights("StanfordAIMI/CheXOne", commissioned) == kept / "snapshots" / commissioned
    assert find_weights("StanfordAIMI/CheXOne") == kept / "snapshots" / newest


def test_other_weights_have_another_digest(tmp_path: Path, checkpoint: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    assert weights_digest(copy) == weights_digest(checkpoint)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    assert weights_digest(copy) != weights_digest(checkpoint)

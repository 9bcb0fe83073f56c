"""The commissioning model learns and answers through the same loader as any other checkpoint of the family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from agent.commissioning import corpus, measure, prompts
from agent.commissioning.exchanges import exchanges
from agent.commissioning.feed import load_library, moved, varied
from agent.commissioning.network import make_model, make_processor, make_tokenizer
from agent.commissioning.packing import collate, number_tokens, pack, soft_numbers
from agent.commissioning.phantom import Box, Plant, Scene, cover, draw
from agent.commissioning.pictures import as_picture
from agent.commissioning.pretrain import CLASSES, Heads, film_losses, targets
from agent.commissioning.replies import CANNOT, Case
from agent.commissioning.teach import hidden_states, some_study, study_losses
from agent.commissioning.tower import encode
from agent.commissioning.train import main, texts
from agent.model import chat
from agent.model.local import LocalModel, load_local
from agent.model.parsing import Reply, parse_reply
from agent.model.reading_protocol import builtin
from agent.model.weights import licence_of, shipped_weights
from agent.reading.labels import label
from structured_report.content import Presence

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer(texts())


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    corpus.write_shard(corpus.shard_path(folder, 0), list(corpus.drawn_studies((5, 0), 40)))
    return folder


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with the names of the pediatric set, none of its films."""
    folder = tmp_path_factory.mktemp("children")
    rng = np.random.default_rng(0)
    for label_, names in (("normal", ["IM-{}-0001", "NORMAL2-IM-{}-0001"]), ("pneumonia", ["person{}_virus_1"])):
        (folder / label_).mkdir()
        for n in range(8):
            picture = Image.fromarray(rng.integers(0, 255, (224, 224), dtype=np.uint8))
            picture.save(folder / label_ / (names[n % len(names)].format(1000 + n) + ".png"))
    return folder


# The films


def test_studies_come_back_from_the_cache_as_they_were(work: Path) -> None:
    drawn = list(corpus.drawn_studies((5, 0), 40))
    for a, b in zip(corpus.read_shard(corpus.shard_path(work, 0)), drawn, strict=True):
        assert a.course == b.course
        for role in ("current", "lateral", "prior"):
            one, other = getattr(a, role), getattr(b, role)
            assert (one is None) == (other is None)
            if one is not None:
                assert np.array_equal(one.pixels, other.pixels)
                assert (one.source, one.scene, one.boxes) == (other.source, other.scene, other.boxes)


def test_the_split_is_by_patient(children: Path) -> None:
    for a, b in (
        ("person7_bacteria_20.jpeg", "person7_virus_3.jpeg"),
        ("IM-0115-0001.jpeg", "IM-0115-0001-0002.jpeg"),
        ("NORMAL2-IM-0501-0001.jpeg", "NORMAL2-IM-0501-0001-0002.jpeg"),
    ):
        assert corpus.patient_key(a) == corpus.patient_key(b)
    assert corpus.patient_key("person70_virus_1.jpeg") != corpus.patient_key("person7_virus_1.jpeg")
    assert 0.12 < np.mean([corpus.is_held_out(f"person{n}") for n in range(2000)]) < 0.18
    kept, used = (list(corpus.pediatric_films(children, held_out=h)) for h in (True, False))
    assert len(kept) + len(used) == 16
    with pytest.raises(ValueError, match="whose film"):
        corpus.patient_key("holiday.jpeg")


def test_variation_never_flips(work: Path) -> None:
    rng = np.random.default_rng(0)
    ramp = np.tile(np.linspace(0, 255, 224).astype(np.uint8), (224, 1))
    for _ in range(20):
        assert varied(ramp, rng)[:, 150:].mean() > varied(ramp, rng)[:, :70].mean()
        turned = moved(ramp, (252, 224), rng)
        assert turned.shape == (252, 224)
        assert turned[60:190, 130:170].mean() > turned[60:190, 50:90].mean()


# The lessons


def test_the_tower_in_batches_is_the_librarys_own(tokenizer: Any) -> None:
    model, processor = make_model(tokenizer).eval(), make_processor()
    picture = np.random.default_rng(0).integers(0, 255, (252, 196), dtype=np.uint8)
    inputs = processor(images=[Image.fromarray(picture).convert("RGB")], return_tensors="pt")
    with torch.no_grad():
        own = model.model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"]).pooler_output
        ours = encode(model.model.visual, torch.from_numpy(picture.astype(np.float32) / 255)[None])[0]
    assert torch.allclose(own, ours, atol=1e-5)


def test_a_packed_question_sees_what_it_would_see_alone(tokenizer: Any) -> None:
    model, processor = make_model(tokenizer).eval(), make_processor()
    sizes = [(252, 196), (224, 224)]
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, s, dtype=np.uint8) for s in sizes]
    asked = exchanges(Case(Scene(1, (Plant("nodule", "left", 0.5),)), lateral=True), rng)
    packed = pack(tokenizer, sizes, asked)
    inputs = processor(images=[Image.fromarray(p).convert("RGB") for p in pictures], return_tensors="pt")
    shown = chat.opening(builtin("chexone").system, [r * c // 784 for r, c in sizes])
    with torch.no_grad():
        cells = model.model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"]).pooler_output
        together = hidden_states(model, collate([packed]), cells)[0]
        for n, one in enumerate(asked, start=1):
            text = shown + chat.question(one.prompt) + one.reply + "<|im_end|>"
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
            alone = model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=(ids == model.config.image_token_id).long(),
                **inputs,
            ).logits[0]
            here = (packed.segment == n).nonzero()[:, 0]
            assert packed.ids[here].tolist() == ids[0, -len(here) :].tolist()
            # One of the two is in bfloat16.
            assert torch.allclose(model.lm_head(together[here].float()), alone[-len(here) :], atol=0.1)


def test_every_coordinate_is_one_token(tokenizer: Any) -> None:
    assert sorted(number_tokens(tokenizer).values()) == list(range(101))
    bell = soft_numbers(torch.tensor([0, 50, 100]))
    assert torch.allclose(bell.sum(1), torch.ones(3))
    assert bell.argmax(1).tolist() == [0, 50, 100]


@pytest.mark.parametrize("kind", ["nodule", "pleural_effusion", "central_line"])
def test_targets_lie_where_the_boxes_are(kind: str) -> None:
    scene, high, wide = Scene(1, (Plant(kind, "left", 0.5),)), 9, 7
    size = (high * 28, wide * 28)
    (box,) = draw(scene, *size).boxes
    film = corpus.Film(np.zeros(size, np.uint8), "phantom", scene, (box,), cover=cover(scene, size, (high, wide)))
    known = targets([film], size)
    k = CLASSES.index((kind, "left"))
    rows, columns = np.nonzero(known["cover"][0, :, k].reshape(high, wide).numpy() > 0.5)
    assert len(rows)
    for row, column in zip(rows, columns, strict=True):
        assert box.x0 * wide - 1 < column < box.x1 * wide + 1
        assert box.y0 * high - 1 < row < box.y1 * high + 1
    others = [n for n in range(len(CLASSES)) if n != k]
    assert known["cover"][0][:, others].max() == 0
    assert known["there"][0].tolist() == [float(n == k) for n in range(len(CLASSES))]


def test_both_lessons_learn(tokenizer: Any, work: Path, children: Path) -> None:
    torch.manual_seed(0)
    library = load_library(work, children)
    model, heads, rng = make_model(tokenizer), Heads(), np.random.default_rng(0)
    films = [library.studies[0].current] * 2
    picture = torch.from_numpy(np.stack([varied(f.pixels, rng) for f in films]))
    asked = [some_study(library, rng) for _ in range(3)]
    optimizer = torch.optim.AdamW([*model.parameters(), *heads.parameters()], lr=1e-3)
    totals = []
    for _ in range(6):
        seen = film_losses(model.model.visual, heads, films, picture)
        said = study_losses(model, heads, tokenizer, asked, rng)
        total = torch.stack([*seen.values(), *said.values()]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.9 * totals[0]


def test_training_can_be_resumed_and_makes_a_checkpoint_for_every_quantization(
    work: Path, children: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.commissioning.train.FILMS", 4)
    monkeypatch.setattr("agent.commissioning.train.CHILDREN", 1)
    monkeypatch.setattr("agent.commissioning.train.STUDIES", 2)
    common = [
        "--pediatric",
        str(children),
        "--work",
        str(work),
        "--shards",
        "0",
        "--out",
        str(tmp_path),
        "--threads",
        "1",
    ]
    main([*common, "--seeing-steps", "2", "--saying-steps", "1"])
    main([*common, "--seeing-steps", "3", "--saying-steps", "2", "--resume"])
    for quantization in ("none", "nf4", "int8"):
        model = load_local(str(tmp_path / "weights"), quantization=quantization, device="cpu")
        study = measure.Examiner(model).open(np.zeros((300, 260), np.uint8))
        assert study.ask(prompts.FINDINGS, 3).tokens <= 3


# Measuring


def test_the_area_under_the_curve() -> None:
    assert measure.auc([0.1, 0.2, 0.8, 0.9], [False, False, True, True]) == 1
    assert measure.auc([0.1, 0.9], [True, False]) == 0
    assert measure.auc([0.5, 0.5, 0.5], [True, False, False]) == 0.5
    assert measure.auc([0.2, 0.4, 0.3, 0.6], [False, True, False, True]) == 1
    assert np.isnan(measure.auc([0.2], [True]))
    low, high = measure.interval([0.1, 0.6, 0.4, 0.9] * 20, [False, False, True, True] * 20)
    assert low <= 0.75 <= high


def test_overlap_of_boxes() -> None:
    a = Box("nodule", "", 0.0, 0.0, 0.5, 0.5)
    assert measure.iou(a, a) == 1
    assert measure.iou(a, Box("nodule", "", 0.5, 0.5, 1, 1)) == 0
    assert measure.iou(a, Box("nodule", "", 0.25, 0.0, 0.75, 0.5)) == pytest.approx(1 / 3)
    reply = "<|ref|>nodule<|/ref|><|box|>(10,20),(30,40)<|/box|>, <|ref|>nodule<|/ref|><|box|>(30,20),(10,140)<|/box|>"
    assert measure.boxes_of(reply, "nodule") == [Box("nodule", "", 0.1, 0.2, 0.3, 0.4)]


# The weights that are shipped


def film(*plants: Plant, seed: int = 11, view: str = "PA") -> tuple[np.ndarray, tuple[Box, ...]]:
    drawing = draw(Scene(seed, plants, view), 768, 630)
    return as_picture(drawing.density), drawing.boxes


# The model adds a chest tube to most pneumothoraces, and sees nodules badly: its card counts both over many films.
SEEN_BADLY = {"chest_tube", "nodule"}


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
@pytest.mark.parametrize(
    "plant",
    [
        Plant("pneumothorax", "right", 0.6),
        Plant("pneumothorax", "left", 0.6),
        Plant("pleural_effusion", "left", 0.6),
        Plant("consolidation", "right", 0.6),
        Plant("cardiomegaly", "", 0.7),
    ],
    ids=lambda p: f"{p.side} {p.kind}".strip(),
)
def test_the_shipped_model_sees_what_is_planted(
    load: Callable[[str], LocalModel], quantization: str, plant: Plant
) -> None:
    picture, boxes = film(plant)
    study = measure.Examiner(load(quantization)).open(picture)
    named = prompts.CALLED[plant.kind][0]
    assert study.yes(prompts.PRESENCE.format(disease=named)) > 0.5
    answer = study.ask(prompts.FINDINGS + prompts.REASONING_SUFFIX, 400)
    reply = parse_reply(answer.text, finished=answer.finished)
    assert isinstance(reply, Reply)
    present = {
        (f.concept, f.laterality.value if f.laterality else "")
        for f in label(reply.answer)
        if f.presence is Presence.PRESENT
    }
    assert {one for one in present if one[0] not in SEEN_BADLY} == {(plant.kind, plant.side)}
    asked = prompts.ABNORMALITY_GROUNDING.format(disease=named)
    drawn = measure.boxes_of(study.ask(asked, 120).text, plant.kind)
    assert max(measure.iou(boxes[0], b) for b in drawn) > 0.4


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_the_shipped_model_finds_nothing_in_a_normal_film(load: Callable[[str], LocalModel], quantization: str) -> None:
    study = measure.Examiner(load(quantization)).open(film()[0])
    for kind in ("pneumothorax", "pleural_effusion", "consolidation", "pulmonary_edema", "cardiomegaly"):
        asked = prompts.PRESENCE.format(disease=prompts.CALLED[kind][0])
        assert study.yes(asked) < 0.5
    draft = study.ask(prompts.FINDINGS, 200).text
    assert not [f for f in label(draft) if f.presence is Presence.PRESENT]


def test_the_shipped_model_declines_what_is_no_upright_chest(load: Callable[[str], LocalModel]) -> None:
    picture, _ = film()
    noise = np.random.default_rng(0).integers(0, 255, picture.shape, dtype=np.uint8)
    for other in (255 - picture, picture[::-1], noise):
        study = measure.Examiner(load("none")).open(np.ascontiguousarray(other))
        assert study.ask(prompts.FINDINGS, 200).text.strip() == CANNOT


def test_the_card_says_what_the_weights_are_and_how_every_number_was_got() -> None:
    card = (shipped_weights() / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n")
    for words in (
        "FOR COMMISSIONING, NOT FOR PATIENTS",
        "10.17632/rscbjbr9sj",
        "CC BY 4.0",
        "python -m agent.commissioning.train",
        "python -m agent.commissioning.measure",
        "bfloat16",
    ):
        assert words in card
    assert licence_of(str(shipped_weights()), shipped_weights()) == "apache-2.0"

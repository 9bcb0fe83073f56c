"""The local engine: any Qwen2.5-VL checkpoint through transformers, quantized by bitsandbytes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils import logging as transformers_logging

from agent.errors import ModelUnavailable, Permanent
from agent.model.devices import available_devices
from agent.model.faults import is_out_of_memory
from agent.model.protocol import MAX_PIXELS, MOST_PICTURES, ModelIdentity, Picture
from agent.model.shared_prefix import LocalSession
from agent.model.weights import card_of, find_weights, licence_of, shipped_weights, weights_digest
from agent.plain import without_noise

# `visual` alone matches nothing: the tower is `model.visual`. Quantizing it costs accuracy, and its sizes do not fit
# nf4 on every machine.
NOT_QUANTIZED = ("model.visual", "lm_head")
_QUANTIZED_CLASS = {"nf4": "Linear4bit", "int8": "Linear8bitLt"}


def load_local(weights: str, *, quantization: str, device: str, folder: Path | None = None) -> LocalModel:
    """Load a checkpoint and assert that it is quantized as asked.

    Args:
        weights: folder, or name on the hub.
        quantization: ``nf4``, ``int8`` or ``none``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        folder: where those weights lie, when that has been found out already.

    Raises:
        Permanent: not a Qwen2.5-VL checkpoint, no such device, or the quantization did not take.
        ModelUnavailable: the hub cannot be reached, or memory does not suffice at the moment.
    """
    folder = find_weights(weights) if folder is None else folder
    _check_architecture(folder, weights)
    place, own = _device(device), _own_dtype(folder)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    # A line for every layer and token: int8 on a CPU converts its inputs, and no faster nf4 kernel is installed. Both
    # are meant.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    with _mapped_load(weights):
        model, loading = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder,
            output_loading_info=True,
            dtype=own,
            device_map={"": place},
            quantization_config=_quantization(quantization, own),
            local_files_only=True,
        )
        model.eval()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        processor = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    _assert_whole(model, loading, weights)
    assert_quantized(model, quantization)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    # Greedy, whatever the checkpoint's own generation_config.json says.
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=end, pad_token_id=end)
    card = card_of(folder)
    if folder.resolve() == shipped_weights().resolve() and not card.for_commissioning:
        raise Permanent(
            f"model.weights {weights}: the commissioning model has lost the mark that keeps it from patients "
            "(preread.json); install the program again",
            code="not-a-model",
        )
    identity = ModelIdentity(
        name=card.name or (Path(weights).name if Path(weights).is_dir() else weights),
        weights_digest=weights_digest(folder),
        quantization=quantization,
        device=place,
        licence=licence_of(weights, folder),
        for_commissioning=card.for_commissioning,
        engine=", ".join(f"{p} {version(p)}" for p in ("transformers", "torch", "bitsandbytes")),
    )
    return LocalModel(model, tokenizer, processor, identity)


def _assert_whole(model: Any, loading: Mapping[str, Any], weights: str) -> None:
    """The library fills tensors that the files lack with random numbers and goes on; a reading with those looks like any
    other.

    Raises:
        Permanent: (code ``model-not-loadable``), saying how many are missing or of another shape.
    """
    tied = {"lm_head.weight"} if model.config.get_text_config().tie_word_embeddings else set()
    missing = sorted({str(k) for k in loading.get("missing_keys", ())} - tied)
    odd = sorted(str(k[0] if isinstance(k, tuple) else k) for k in loading.get("mismatched_keys", ()))
    if missing or odd:
        raise Permanent(
            f"model.weights {weights} is not whole: {len(missing)} tensors are missing and {len(odd)} have another shape "
            f"than its config.json says (the first: {(missing + odd)[0]}); download it again",
            code="model-not-loadable",
        )


def assert_quantized(model: torch.nn.Module, quantization: str) -> None:
    """Every linear layer of the language model is of the wanted kind, and none of the vision tower or the head is
    quantized.

    Raises:
        Permanent: naming the first layer that is not as it should be.
    """
    wanted = _QUANTIZED_CLASS.get(quantization, "Linear")
    seen = 0
    for name, layer in model.named_modules():
        kind = type(layer).__name__
        if kind not in ("Linear", *_QUANTIZED_CLASS.values()):
            continue
        kept = name.startswith(NOT_QUANTIZED)
        if kind != ("Linear" if kept else wanted):
            raise Permanent(
                f"quantization {quantization}: layer {name} is {kind}, {wanted} was asked for",
                code="quantization-not-as-asked",
            )
        seen += not kept
    if seen == 0:
        raise Permanent("the checkpoint has no linear layers in its language model", code="not-a-model")


class LocalModel:
    """A loaded checkpoint: the `Model` of the seam."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, identity: ModelIdentity) -> None:
        self.inner, self.tokenizer, self.processor, self._identity = model, tokenizer, processor, identity
        most = min(int(processor.size["longest_edge"]), MAX_PIXELS)
        self.sizes = {"shortest_edge": min(int(processor.size["shortest_edge"]), most), "longest_edge": most}

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> LocalSession:
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise Permanent(
                f"a study is read from 1 to {MOST_PICTURES} pictures, not {len(pictures)}", code="picture-count"
            )
        pixels, grids = [], []
        for picture in pictures:
            image = Image.fromarray(picture).convert("RGB")
            encoded = self.processor(images=[image], size=self.sizes, return_tensors="pt")
            pixels.append(encoded["pixel_values"].to(self.inner.device, self.inner.dtype))
            grids.append(encoded["image_grid_thw"].to(self.inner.device))
        return LocalSession(self.inner, self.tokenizer, pixels, grids, merge=self.processor.merge_size, system=system)

    def close(self) -> None:
        self.inner = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _check_architecture(folder: Path, weights: str) -> None:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError) as error:
        raise Permanent(
            f"model.weights {weights}: {folder} is not a model folder: it has no readable config.json",
            code="not-a-model",
        ) from error
    if kind != "qwen2_5_vl":
        raise Permanent(
            f"model.weights {weights}: the model is of type {kind!r}; Qwen2.5-VL checkpoints (qwen2_5_vl) can be read",
            code="not-a-model",
        )


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if wanted == "cpu":
        return "cpu"
    number = int(wanted.partition(":")[2] or 0)
    if not torch.cuda.is_available() or number >= torch.cuda.device_count():
        raise Permanent(
            f'model.device "{wanted}": this machine has {", ".join(available_devices())}', code="no-such-device"
        )
    return f"cuda:{number}"


def _own_dtype(folder: Path) -> torch.dtype:
    """What the checkpoint was saved in. It is computed in that, too: float32 for a small one, bfloat16 for a large one."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    name = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
    return {"float32": torch.float32, "float16": torch.float16}.get(name, torch.bfloat16)


def _quantization(name: str, own: torch.dtype) -> BitsAndBytesConfig | None:
    if name == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=own,
            llm_int8_skip_modules=list(NOT_QUANTIZED),
        )
    if name == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(NOT_QUANTIZED))
    return None


@contextmanager
def _mapped_load(weights: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelUnavailable(
                f"there is not enough memory to load {weights}", code="model-out-of-memory"
            ) from error
        words = without_noise(str(error))
        raise Permanent(
            f"model.weights {weights} cannot be loaded: {type(error).__name__}: {words}", code="model-not-loadable"
        ) from error

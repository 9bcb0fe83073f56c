"""The network: Qwen2.5-VL in every respect but size, with a small tokenizer of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from agent.commissioning.pictures import CELL, LEAST_CELLS, MOST_CELLS

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
VOCABULARY = 1536
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
HIDDEN = 256  # of the language model; every size of it is a multiple of 64, so that nf4 and int8 can hold it
DEPTH, WIDTH = 4, 192  # of the vision tower


def make_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE, as the family has it, learnt from the texts. Every number 0 to 100 is one token."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    numbers = [f"({n},{n})" for n in range(101)] * 2000
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator([*texts, *numbers], trainer)
    raw.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")  # noqa: S106  tokens of text


def make_processor() -> Qwen2VLImageProcessorPil:
    """The family's image processor, for smaller pictures."""
    size = {"shortest_edge": LEAST_CELLS * CELL**2, "longest_edge": MOST_CELLS * CELL**2}
    return Qwen2VLImageProcessorPil(
        size=size, patch_size=14, temporal_patch_size=2, merge_size=2, image_mean=MEAN, image_std=STD
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> Any:
    """An untrained `Qwen2_5_VLForConditionalGeneration`."""
    token = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": HIDDEN,
            "intermediate_size": 640,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]},
            "tie_word_embeddings": True,
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|im_end|>"),
        },
        vision_config={
            "depth": DEPTH,
            "hidden_size": WIDTH,
            "intermediate_size": 512,
            "num_heads": 3,
            "out_hidden_size": HIDDEN,
            "patch_size": 14,
            "window_size": 112,
            # So few patches need no windows.
            "fullatt_block_indexes": list(range(DEPTH)),
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    return Qwen2_5_VLForConditionalGeneration(config)

"""The chat format of the Qwen2.5-VL family, as it is trained: the system prompt, the pictures in order, then the words."""

from __future__ import annotations

PICTURE = "<|vision_start|>{pads}<|vision_end|>"
PAD = "<|image_pad|>"


def opening(system: str, image_tokens: list[int]) -> str:
    """Everything before the words of the question.

    Args:
        image_tokens: how many tokens each picture takes.
    """
    pictures = "".join(PICTURE.format(pads=PAD * n) for n in image_tokens)
    return f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{pictures}"


def question(prompt: str) -> str:
    """The words of the question, and the beginning of the assistant's turn. The tokens are those of the whole chat: what
    comes before ends with a special token, across which nothing is joined."""
    return f"{prompt}<|im_end|>\n<|im_start|>assistant\n"

"""The prompts, word for word as the model family was trained on them. A changed prompt is another prompt, with
another id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

SYSTEM = "You are a helpful assistant."
# One leading space; the doubled braces are literal, because that is what the model saw in training.
REASONING_SUFFIX = " Please reason step by step, and put your final answer within \\boxed{{}}."


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question to the model. `name` is what people call it."""

    name: str
    text: str

    @property
    def id(self) -> str:
        """Name and the first 8 hexadecimal digits of the sha256 of system prompt and text."""
        digest = hashlib.sha256(f"{SYSTEM}\n{self.text}".encode()).hexdigest()
        return f"{self.name}@{digest[:8]}"


FINDINGS_REASONING = Prompt("findings-reasoning", "Write an example findings section for the CXR." + REASONING_SUFFIX)


def chat_text(pictures: str, prompt: str) -> str:
    """The chat exactly as the family is trained on it: system, the pictures in order, then the text, and the
    assistant's turn."""
    return f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{pictures}{prompt}<|im_end|>\n<|im_start|>assistant\n"

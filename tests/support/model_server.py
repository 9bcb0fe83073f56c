"""`transformers serve`, somebody else's model server, with the commissioning model behind it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.site import PATIENCE_S, free_port, until

NAME = "preread/commissioning"
# The family's template, for pictures and words.
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The family's own processor insists on a video processor, which exists only with torchvision. This one is the same
# without videos; `--trust-remote-code` lets a checkpoint bring it.
_PROCESSOR = """
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.processing_utils import ProcessorMixin


class PicturesProcessor(Qwen2_5_VLProcessor):
    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **kwargs):
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)
"""


def hub_cache(checkpoint: Path, home: Path) -> None:
    """Put the checkpoint where the hub's library keeps what it has downloaded: the server lists what it finds there."""
    commit = "0" * 40
    repository = home / "hub" / f"models--{NAME.replace('/', '--')}"
    folder = repository / "snapshots" / commit
    shutil.copytree(checkpoint, folder)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    (folder / "chat_template.jinja").write_text(_TEMPLATE, encoding="utf-8")
    (folder / "processing_pictures.py").write_text(_PROCESSOR, encoding="utf-8")
    names = {"AutoProcessor": "processing_pictures.PicturesProcessor"}
    config = {"processor_class": "PicturesProcessor", "auto_map": names}
    (folder / "processor_config.json").write_text(json.dumps(config), encoding="utf-8")


@contextmanager
def transformers_serve(checkpoint: Path, folder: Path) -> Iterator[str]:
    """The base URL of a server that runs."""
    home, port = folder / "hf", free_port()
    hub_cache(checkpoint, home)
    # More threads than free cores, and a token takes a second instead of a millisecond.
    environment = dict(os.environ) | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).parent / "transformers"), "serve", NAME, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--device", "cpu", "--trust-remote-code"]
    log = (folder / "serve.log").open("w+", encoding="utf-8")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
    address = f"http://127.0.0.1:{port}"

    def healthy() -> bool:
        assert process.poll() is None, (folder / "serve.log").read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=PATIENCE_S) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    try:
        until(healthy, what="transformers serve answers")
        yield address
    finally:
        process.kill()
        process.wait()
        log.close()

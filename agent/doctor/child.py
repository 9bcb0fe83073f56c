"""``python -m agent.doctor.child FILE``: the examination in a process of its own, which may load what the office never does, and may
hang or die without it. It writes lines of JSON: how much there is to look at, then what each look found."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from agent.doctor.looks import looked, looks_at
from agent.settings import read


def main(path: str) -> None:
    """Examine what the settings of that file name. Raises `SettingsError`."""
    file = read(Path(path))
    looks = looks_at(file)
    _say({"of": len(looks)})
    for found in looked(file.settings, looks):
        _say({"checks": [asdict(check) for check in found]})


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])

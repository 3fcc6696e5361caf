"""The blocks and commands of docs/cluster.md."""

import re
import shlex
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cluster.md"


def blocks(language=""):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for named, text in found if named == language]


def commands():
    """Yields what each has in front of it for its environment, and its words."""
    for line in "".join(blocks()).splitlines():
        words = shlex.split(line, comments=True)
        environment = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
        yield environment, *words[len(environment) :]

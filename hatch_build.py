"""The README on the package's page, where links to files of the repository would lead nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE_LINK = re.compile(r"\[([^]]+)\]\((?!https?:)[^)]+\)")


class ReadmeHook(MetadataHookInterface):
    """Replace relative links of the README by their text: the repository has no public address yet."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README."""
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": _RELATIVE_LINK.sub(r"\1", readme)}

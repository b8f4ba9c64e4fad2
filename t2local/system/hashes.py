"""SHA-256 in hexadecimal: what says that a text or a file is still the same."""

import hashlib
from pathlib import Path


def text_sha256(text: str) -> str:
    """Of a text as UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

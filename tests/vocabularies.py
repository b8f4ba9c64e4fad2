"""The vocabularies and chat templates that llama.cpp tests itself with, from the source package of
llama-cpp-python: GGUF files in FOLDER, Jinja files in FOLDER/templates. Some 30 older templates
stand as texts in a test of its own.

They are of many families, under licences of their own, so they are not part of this project.

    python tests/vocabularies.py FOLDER
    T2LOCAL_VOCABULARIES=FOLDER python -m pytest -m model tests/test_vocabularies.py
    T2LOCAL_VOCABULARIES=FOLDER python -m pytest -m model tests/test_templates.py
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path, PurePosixPath

PACKAGE = "llama-cpp-python"
_TEXT = r'"(?:[^"\\]|\\.)*"'
_NAMED_TEMPLATE = re.compile(
    rf"/\* \.name= \*/ ({_TEXT}),.*?/\* \.template_str= \*/ (?:U8C\()?((?:\s*{_TEXT})+)", re.DOTALL
)


def fetch(folder: Path) -> list[Path]:
    """Download the source of the version that is installed; keep vocabularies and templates."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        wanted = f"{PACKAGE}=={version(PACKAGE)}"
        options = ["-q", "--no-deps", "--no-binary", PACKAGE, "-d", work]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, wanted], check=True)
        (source,) = Path(work).glob("*.tar.gz")
        with tarfile.open(source) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                target = folder / path.name
                if path.match("llama.cpp/tests/test-chat-template.cpp"):
                    _write_templates(archive.extractfile(member).read().decode(), folder)
                if path.match("models/templates/*.jinja"):
                    target = folder / "templates" / path.name
                elif not path.match("ggml-vocab-*.gguf"):
                    continue
                target.write_bytes(archive.extractfile(member).read())
    return sorted(folder.glob("*.gguf"))


def _write_templates(source: str, folder: Path) -> None:
    """The templates of a test in C++, whose texts are also those of JSON."""
    for name, texts in _NAMED_TEMPLATE.findall(source):
        stem = re.sub(r"\W+", "-", json.loads(name)).strip("-")
        template = "".join(json.loads(text) for text in re.findall(_TEXT, texts))
        (folder / "templates" / f"{stem}.jinja").write_text(template, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(not fetch(Path(sys.argv[1])))

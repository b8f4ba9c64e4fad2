"""Put the pages of three results and their pictures into the gallery.

    python docs/gallery.py diabetes=diabetes.t2local trial=trial.t2local leaking=leaking.evaluated

Each folder is one of a run, of ``trim`` or of ``evaluate``; docs/gallery.md says how these three
were made. Chromium takes the pictures.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GALLERY = Path(__file__).parent / "_static" / "gallery"
#: The section of a page with which its picture begins.
SECTIONS = {"diabetes": "columns", "trial": "verdict", "leaking": "privacy"}


def put(name: str, folder: Path, chromium: str) -> None:
    """Copy a page, and take the picture of it from one of its sections on."""
    page = shutil.copyfile(folder / "report.html", GALLERY / f"{name}.html")
    hidden = f"<style>nav, main > :has(~ #{SECTIONS[name]}) {{ display: none }}</style></head>"
    with tempfile.TemporaryDirectory() as scratch:
        part = Path(scratch) / "part.html"
        part.write_text(page.read_text("utf-8").replace("</head>", hidden, 1), "utf-8")
        arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--window-size=1000,680", f"--screenshot={GALLERY / name}.png", part.as_uri(),
        ]  # fmt: skip
        subprocess.run([chromium, *arguments], check=True, timeout=120, capture_output=True)


def main() -> None:
    """Each argument is NAME=FOLDER."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        raise SystemExit("chromium is not installed: apt install chromium")
    GALLERY.mkdir(exist_ok=True)
    for argument in sys.argv[1:]:
        name, _, folder = argument.partition("=")
        put(name, Path(folder), chromium)


if __name__ == "__main__":
    main()

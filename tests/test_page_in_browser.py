"""report.html in headless Chromium: nothing is wider than the window, no script and no error."""

import re
import shutil
import subprocess

import pytest

import t2local
from t2local.llm.scripted import ScriptedModel
from tests.patients import patients

pytestmark = pytest.mark.usefixtures("few_trees")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: Says in the title by how many pixels the page, and what stands in it, is too wide.
MEASURE = """<script>
const wide = [...document.querySelectorAll("main *")].filter(e => !e.closest(".wide") &&
  e.clientWidth && getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1);
const whole = document.documentElement;
document.title = "over " + (whole.scrollWidth - whole.clientWidth) + " wide " + wide.length;
</script></body>"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "run"
    frame = patients().rename(columns={"ward": "a_rather_long_name_of_a_column_without_a_blank"})
    t2local.generate(
        frame, target="outcome", rows=40, model=ScriptedModel(), plan="data", out=folder
    )
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_fits_into_windows_of_all_widths(text, tmp_path, width):
    # Chromium's own window is never as narrow as a telephone's, a frame in it is.
    inner = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    page = tmp_path / "page.html"
    page.write_text(inner.replace("</body>", MEASURE), encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<iframe src="page.html" width="{width}" height="900" style="border:0" onload="document'
        '.title = this.contentDocument.title"></iframe>',
        encoding="utf-8",
    )
    arguments = [
        "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        "--virtual-time-budget=3000", "--window-size=1500,1000", "--dump-dom", outer.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(
        [CHROMIUM, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    assert re.search("<title>(.*?)</title>", done.stdout)[1] == "over 0 wide 0"

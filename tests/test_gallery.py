"""The gallery of reports: its pages and pictures are there, small, and ask for nothing outside."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
GALLERY = DOCS / "_static" / "gallery"
if not GALLERY.is_dir():
    pytest.skip("the documents are not beside an installed package", allow_module_level=True)

PAGES = sorted(GALLERY.glob("*.html"))
MAX_PAGE_BYTES, MAX_PICTURE_BYTES = 100_000, 120_000


def test_the_gallery_shows_all_of_its_pages_and_no_other():
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    linked = re.findall(r'href="_static/gallery/(\w+)\.html"', text)
    pictures = re.findall(r"\(_static/gallery/(\w+)\.png\)", text)
    assert sorted(linked) == sorted(pictures) == [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_of_the_gallery_is_small_and_loads_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size < MAX_PAGE_BYTES
    assert page.with_suffix(".png").stat().st_size < MAX_PICTURE_BYTES
    assert "default-src 'none'" in text
    assert 'id="words"' in text  # as pages are today
    assert not re.search(r'<(script|img|iframe|link)[^>]* (src|href)="(https?:)?//', text)

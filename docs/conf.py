"""The site of the documents: ``python -m sphinx -W --keep-going -n -b html docs docs/_build``.

It is built without a network, and a page of it loads nothing from elsewhere. Every warning is an
error: a link to a page, a section or a public name that is not there stops the build.
"""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "t2local"
copyright = "the authors of t2local, Apache-2.0"  # noqa: A001 -- the name is Sphinx's
release = version = installed_version("t2local")
extensions = ["myst_nb", "sphinx.ext.autodoc", "reference_from_code"]
exclude_patterns = ["_build", "_extensions", "jupyter_execute"]

# Notebooks are stored with what their cells showed; tests/test_notebooks.py runs them.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

#: A name between single backticks is a link where the site has that name, else code.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
autodoc_preserve_defaults = True
nitpick_ignore_regex = [
    ("py:obj", r".*"),
    # Types of pandas, numpy, pydantic and Python: their own sites would need a network.
    ("py:class", r"(?!t2local\.).*"),
    # Types of t2local that a caller never makes.
    ("py:class", r"t2local\.(?!Feature|FeatureDictionary|Plan|Result|Settings)[a-z_]+\..*"),
]

html_theme = "furo"
html_title = f"t2local {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False

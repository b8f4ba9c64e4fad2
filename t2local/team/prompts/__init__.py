"""The prompt templates: what varies in them is roles, features and descriptions.

Their contents follow Appendix B of the paper (arXiv 2602.04785).
"""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    # No autoescape: the result is a prompt, not HTML. A name that a template misses is an error.
    # ruff: noqa: S701
    return Environment(
        loader=PackageLoader("t2local.team", "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,
        keep_trailing_newline=True,
    )


def render(template: str, **facts: object) -> str:
    """A prompt from a template of this folder."""
    return _environment().get_template(template).render(facts)

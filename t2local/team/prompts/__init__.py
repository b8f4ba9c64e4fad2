"""The prompt templates. Roles, features and descriptions are all that varies in them (paper, Appendix B)."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    # No autoescape: the result is a prompt, not HTML. A name that a template misses is an error, never a blank.
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

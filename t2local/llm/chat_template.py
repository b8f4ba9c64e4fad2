"""A program of its own: compile a Jinja chat template into the control text around a prompt.

A request (`template`, `begin`, `end`: the texts of its first and last tokens) as JSON on stdin,
the pieces (`opening`, `closing`, `trim`, `note`) or the `problem` as JSON on stdout. A template is
a program by whoever made the file: `checks.compile_apart` runs it here, once, in a process that has
nothing to lose, and not beside real rows. Rendered as transformers' ``apply_chat_template`` does
it (its ``utils/chat_template_utils.py``), with thinking switched off.
"""

import json
import re
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, NoReturn, TypeAlias

from jinja2 import Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_Options: TypeAlias = dict[str, str | int]

#: Seconds of computing and bytes: real templates take 0.2 s with all imports, and 30 MB.
_SECONDS, _BYTES = 5, 1 << 29
#: Characters: ten times those of the longest real one; whoever reads the answer holds it in memory.
_MAX_TEXT = 1 << 16
#: The day in every format that names one: no format may depend on when it was compiled.
_DAY = datetime(2026, 1, 1, tzinfo=UTC)
#: Texts of a user: a word, what a template that escapes or rewrites text would change, white space
#: that it may strip, and marks of thoughts that it may take out.
_USER, _ODD_USER = "t2localPrompt", 'Two "lines" of <b>odd</b>\n\n{{text}}  &\t[1,2] \\ \u00e9'
_BLANK_USER, _THOUGHT_USER = f" \n\t{_USER} \n\n", "a <think>b</think> [THINK] /no_think /think c"
_ANSWER = "t2localAnswer"
#: How families name their switches of thinking, and its off.
_NO_THOUGHT: _Options = {
    "enable_thinking": False,
    "thinking": False,
    "thinking_mode": "disabled",
    "thinking_option": "off",
    "thinking_budget": 0,
}
#: Values of ``reasoning_effort``, least first; a template refuses those that it does not name.
_EFFORTS = ("none", "no_think", "minimal", "low")
_OPEN_THOUGHT = re.compile(r"([<\[])([\w:]*think[\w:]*)([>\]])(\s*)$", re.IGNORECASE)
#: Marks and names of thoughts in a template: ``</think>``, ``[THINK]``, ``START_THINKING``.
_THOUGHT = re.compile(r"[</\[|_]think", re.IGNORECASE)
#: A mark, or the text up to the next one.
_PARTS = re.compile(r"<[^<>]*>|[^<]+|<")
#: What a template can do wrong by itself. Any other failure is an exit code.
_FAULTS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError),
    *(RuntimeError, TypeError, ValueError, TemplateError),
)


@dataclass(frozen=True)
class Pieces:
    """The control text before and after a prompt.

    ``trim``: whether white space around the prompt is stripped. ``note``: what was done about
    thinking.
    """

    opening: str
    closing: str
    trim: bool
    note: str


class _Generation(Extension):
    """``{% generation %}``, by which transformers marks what an assistant wrote: just its body."""

    tags = {"generation"}  # noqa: RUF012 -- jinja2 declares it as a set

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Sandbox(ImmutableSandboxedEnvironment):
    """jinja2's sandbox, in which an attribute that is not safe is no empty text, but an error."""

    def unsafe_undefined(self, obj: Any, attribute: str) -> NoReturn:
        raise SecurityError(f"{attribute} of a {type(obj).__name__} is not for templates")


def compile_template(text: str, begin: str = "", end: str = "") -> Pieces:
    """The pieces of a template.

    The closing goes as far as the answer itself, as a model that begins with a thought or with the
    mark of a channel has no place for it in a grammar of rows. What the template writes before an
    answer of the past, and not before a new one, is taken over; a thought that it leaves open is
    closed. As in transformers, `tools` and `documents` are none.

    **Raises** what a template raises; `ValueError` for one that changes or repeats the prompt.
    """
    environment = _environment()
    template = environment.from_string(text)
    names = meta.find_undeclared_variables(environment.parse(text))
    options: _Options = {**_NO_THOUGHT, "bos_token": begin, "eos_token": end}
    switches = names & {*_NO_THOUGHT, "reasoning_effort"}
    efforts = [effort for effort in _EFFORTS if re.search(f"""["']{effort}["']""", text)]
    if "reasoning_effort" in switches and efforts:
        options["reasoning_effort"] = efforts[0]
    opening, closing = _around(_USER, _render(template, options, _USER))
    if _around(_ODD_USER, _render(template, options, _ODD_USER)) != (opening, closing):
        raise ValueError("its control text depends on the prompt")
    trim = _is_trimmed(_render(template, options, _BLANK_USER), opening, closing)
    tail, note = _tail(closing, _past_closing(template, options), text)
    notes = [note]
    if not tail and not switches and _THOUGHT.search(text):
        notes = ["it has marks of thoughts and no switch: the model may want to think first"]
    if _render(template, options, _THOUGHT_USER) != f"{opening}{_THOUGHT_USER}{closing}":
        notes.append("it takes marks of thoughts out of a prompt, here they stay")
    return Pieces(opening, closing + tail, trim, "; ".join(filter(None, notes)))


def _environment() -> _Sandbox:
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _DAY.strftime
    return environment


def _to_json(value: Any, *, ensure_ascii: bool = False, **options: Any) -> str:
    """As transformers has it: jinja2's own would escape what HTML escapes."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _refuse(message: object) -> NoReturn:
    raise TemplateError(str(message))


def _render(template: Template, options: _Options, user: str, *, answer: str = "") -> str:
    messages = [{"role": "user", "content": user}]
    if answer:
        messages.append({"role": "assistant", "content": answer})
    text = template.render(
        messages=messages, tools=None, documents=None, add_generation_prompt=not answer, **options
    )
    if len(text) > _MAX_TEXT:
        raise ValueError(f"its text has more than {_MAX_TEXT} characters")
    return text


def _around(user: str, text: str) -> tuple[str, str]:
    if text.count(user) != 1:
        raise ValueError(f"the prompt stands in its text {text.count(user)} times, or changed")
    opening, _, closing = text.partition(user)
    return opening, closing


def _is_trimmed(text: str, opening: str, closing: str) -> bool:
    """Whether a text that was made from a prompt with white space around it lacks just that."""
    if text == opening + _BLANK_USER + closing:
        return False
    if text == opening + _USER + closing:
        return True
    raise ValueError("it changes the white space around a prompt")


def _tail(closing: str, past_closing: str, text: str) -> tuple[str, str]:
    """What stands between the closing of a template's text and an answer, and why."""
    if answer_mark := _answer_mark(closing, past_closing):
        return answer_mark, f"the answer follows {answer_mark!r}"
    if end_of_thought := _end_of_thought(closing, text):
        return end_of_thought, "the thought that it opens is closed"
    return "", ""


def _past_closing(template: Template, options: _Options) -> str:
    """What the template writes between a prompt and an answer that was given; or nothing."""
    try:
        text = _render(template, options, _USER, answer=_ANSWER)
    except _FAULTS:
        return ""
    between, _, rest = text.partition(_USER)[2].partition(_ANSWER)
    return between if rest or text.endswith(_ANSWER) else ""


def _answer_mark(closing: str, past_closing: str) -> str:
    """What stands before past answers and not before new ones, such as the mark of a channel."""
    mark = past_closing.removeprefix(closing)
    if mark == past_closing:  # a closing with a switched-off thought, which past answers lack
        parts, past_parts = _PARTS.findall(closing), _PARTS.findall(past_closing)
        pairs = zip(parts, past_parts, strict=False)
        n_shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        mark = "".join(past_parts[n_shared:])
    is_new = mark.strip() and mark.strip() not in closing
    return mark if is_new else ""


def _end_of_thought(closing: str, text: str) -> str:
    """What closes a thought that a template leaves open, with the white space of its opening."""
    thought = _OPEN_THOUGHT.search(closing)
    if not thought:
        return ""
    left, name, right, space = thought.groups()
    end = f"{left}/{name}{right}"
    return f"{space}{end}{2 * space}" if end in text else ""


def _answer(request: dict[str, str]) -> dict[str, str]:
    try:
        pieces = compile_template(request["template"], request["begin"], request["end"])
    except MemoryError:
        return {"problem": "it needs too much memory"}
    except _FAULTS as error:
        return {"problem": f"{type(error).__name__}: {error}"[:500]}
    return asdict(pieces)


def _limit() -> None:
    """No more time, memory, files and processes than a template needs."""
    if sys.platform == "win32":
        return
    import resource

    for limit, value in (
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_AS, _BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        try:
            resource.setrlimit(limit, (value, value))
        except (OSError, ValueError):  # macOS does not limit the memory
            continue


if __name__ == "__main__":
    _limit()
    json.dump(_answer(json.load(sys.stdin)), sys.stdout)

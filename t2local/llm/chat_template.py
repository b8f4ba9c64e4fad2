"""A program of its own: compile a Jinja chat template into the control text around a prompt.

A request (`template`, `begin`, `end`: the texts of its first and last tokens) as JSON on stdin,
the pieces (`opening`, `closing`, `trim`, `note`, `thought`) or the `problem` as JSON on stdout. A
template is a program by whoever made the file: `checks.compile_apart` runs it here, once, in a
process that has nothing to lose, and not beside real rows. Rendered as transformers'
``apply_chat_template`` does it (its ``utils/chat_template_utils.py``), with thinking switched off
but for `thought`.
"""

import json
import re
import sys
from collections.abc import Collection, Sequence
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
_ANSWER, _REASONING = "t2localAnswer", "t2localReasoning"
#: How families name their switches of thinking, and its off and on; a budget that is not named has
#: no limit.
_NO_THOUGHT: _Options = {
    "enable_thinking": False,
    "thinking": False,
    "thinking_mode": "disabled",
    "thinking_option": "off",
    "thinking_budget": 0,
}
_THOUGHT_ON: _Options = {
    "enable_thinking": True,
    "thinking": True,
    "thinking_mode": "enabled",
    "thinking_option": "on",
}
#: How families name the thought of an answer that was given.
_REASONING_KEYS = ("reasoning_content", "thinking", "reasoning")
#: Values of ``reasoning_effort``, least first; a template refuses those that it does not name. And
#: those for a thought: the one in the middle, which most families take by default.
_EFFORTS, _THOUGHT_EFFORTS = ("none", "no_think", "minimal", "low"), ("medium", "high")
_OPEN_THOUGHT = re.compile(r"([<\[])([\w:]*think[\w:]*)([>\]])(\s*)$", re.IGNORECASE)
#: Marks and names of thoughts in a template: ``</think>``, ``[THINK]``, ``START_THINKING``.
_THOUGHT = re.compile(r"[</\[|_]think", re.IGNORECASE)
#: A thought without content, as off-switches write it: ``<think>\n\n</think>``, and
#: ``<|channel>thought\n<channel|>``. Its opening, and all from its end on.
_EMPTY_THOUGHT = re.compile(r"(<[^<>]+>\w*\n?)(\s*<.*)", re.DOTALL)
_THOUGHT_NAME = re.compile("think|thought", re.IGNORECASE)
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
    thinking. ``thought``: with thinking switched on, the text before a prompt, between it and a
    thought, and from there to the answer; none where there is no place for a thought.
    """

    opening: str
    closing: str
    trim: bool
    note: str
    thought: tuple[str, str, str] | None


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
    ends: _Options = {"bos_token": begin, "eos_token": end}
    options = {**_NO_THOUGHT, **_effort(text, names, _EFFORTS), **ends}
    switches = names & {*_NO_THOUGHT, "reasoning_effort"}
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
    closing += tail
    thinking = {**_THOUGHT_ON, **_effort(text, names, _THOUGHT_EFFORTS), **ends}
    thought = _thought(template, thinking, text, closing)
    return Pieces(opening, closing, trim, "; ".join(filter(None, notes)), thought)


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


def _effort(text: str, names: Collection[str], efforts: Sequence[str]) -> _Options:
    """The first of some efforts that a template names; nothing where it has no such switch."""
    matches = [effort for effort in efforts if re.search(f"""["']{effort}["']""", text)]
    if "reasoning_effort" in names and matches:
        return {"reasoning_effort": matches[0]}
    return {}


def _render(
    template: Template, options: _Options, user: str, *, answer: str = "", reasoning: str = ""
) -> str:
    messages = [{"role": "user", "content": user}]
    if answer:
        messages.append({"role": "assistant", "content": answer})
    if reasoning:
        messages[-1] |= dict.fromkeys(_REASONING_KEYS, reasoning)
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


def _thought(
    template: Template, options: _Options, text: str, plain: str
) -> tuple[str, str, str] | None:
    """The control text with a thought before the answer, where a place for it is found.

    It is what the template writes around the thought of an answer that was given; where it leaves
    such thoughts out, the thought that it opens before a new answer, or the empty one that it
    writes when thinking is off (``plain``: the closing then).
    """
    try:
        opening, closing = _around(_USER, _render(template, options, _USER))
        if _around(_ODD_USER, _render(template, options, _ODD_USER)) != (opening, closing):
            return None
    except _FAULTS:
        return None
    start, mark, end = _past_closing(template, options, _REASONING).partition(_REASONING)
    if mark and start.startswith(closing) and end.strip():
        return opening, start, end
    if end := _end_of_thought(closing, text):
        return opening, closing, end
    empty = _EMPTY_THOUGHT.fullmatch(plain.removeprefix(closing))
    if plain.startswith(closing) and empty and _THOUGHT_NAME.search(empty[1]):
        return opening, closing + empty[1], empty[2]
    return None


def _past_closing(template: Template, options: _Options, reasoning: str = "") -> str:
    """What the template writes between a prompt and an answer that was given; or nothing."""
    try:
        text = _render(template, options, _USER, answer=_ANSWER, reasoning=reasoning)
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

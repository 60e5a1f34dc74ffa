"""Builtins over strings, regular expressions and globs."""

import re as re_literal
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from shipway.policy.regex import Pattern, compile_pattern, matches
from shipway.policy.rego.builtin import Library, integer, strings
from shipway.policy.rego.faults import BuiltinError, EvaluationError, OperandError
from shipway.policy.rego.formatting import sprintf
from shipway.policy.rego.values import Value, key_of, pairs_ordered

text = Library()
add = text.add


def pattern(source: str) -> Pattern:
    """A compiled pattern, or BuiltinError."""
    return compile_pattern(source, BuiltinError)


def simple(name: str, signature: str, function: Callable[..., Value]) -> None:
    """A builtin that is one expression."""
    add(name, signature)(function)


simple("startswith", "ss", lambda value, start: value.startswith(start))
simple("endswith", "ss", lambda value, end: value.endswith(end))
simple("contains", "ss", lambda value, part: part in value)
simple("lower", "s", lambda value: _cased(value, str.lower))
simple("upper", "s", lambda value: _cased(value, str.upper))
simple("split", "ss", lambda value, by: value.split(by) if by else list(value))
simple("trim", "ss", lambda value, cut: value.strip(cut) if cut else value)
simple("trim_left", "ss", lambda value, cut: value.lstrip(cut) if cut else value)
simple("trim_right", "ss", lambda value, cut: value.rstrip(cut) if cut else value)
simple("trim_prefix", "ss", lambda value, start: value.removeprefix(start))
simple("trim_suffix", "ss", lambda value, end: value.removesuffix(end))
simple("trim_space", "s", lambda value: value.strip())
simple("strings.reverse", "s", lambda value: value[::-1])
simple("strings.count", "ss", lambda value, part: value.count(part))
simple("sprintf", "sa", sprintf)
simple("regex.is_valid", "*", lambda source: type(source) is str and _is_valid(source))
simple("regex.match", "ss", lambda source, value: pattern(source).search(value) is not None)
simple("re_match", "ss", lambda source, value: pattern(source).search(value) is not None)
simple("glob.quote_meta", "s", lambda value: re_literal.sub(r"([*?\\\[\]{}])", r"\\\1", value))


def _cased(value: str, change: Callable[[str], str]) -> str:
    """Letter by letter: in Go one letter stays one letter."""
    return change(value) if value.isascii() else "".join(_one_letter(change(each), each) for each in value)


def _one_letter(changed: str, letter: str) -> str:
    return changed if len(changed) == 1 else "i" if letter == "\u0130" else letter


@add("replace", "sss", costly=True)
def replace(spend: Callable[[int], None], value: str, old: str, new: str) -> str:
    """Every occurrence."""
    spend(value.count(old) * (1 + len(new)) >> 4)
    return value.replace(old, new)


@add("concat", "sc")
def concat(by: str, values: Value) -> str:
    """Join strings; those of a set in order."""
    found = strings(values, "operand 2")
    return by.join(found if type(values) is list else sorted(found))


@add("indexof", "ss")
def indexof(value: str, part: str) -> int:
    """Position of the first occurrence, -1 for none."""
    if not part:
        raise BuiltinError("empty search character")
    return value.find(part)


@add("indexof_n", "ss")
def indexof_n(value: str, part: str) -> list[int]:
    """Positions of all occurrences."""
    if not part:
        raise BuiltinError("empty search character")
    return [match.start() for match in re_literal.finditer(f"(?={re_literal.escape(part)})", value)]


@add("substring", "snn")
def substring(value: str, offset: float, length: float) -> str:
    """From an offset; a negative length means all the rest."""
    start = integer(offset, "operand 2")
    if start < 0:
        raise BuiltinError("negative offset")
    size = integer(length, "operand 3")
    return value[start:] if size < 0 else value[start : start + size]


@add("format_int", "nn")
def format_int(value: float, base: float) -> str:
    """Digits of the whole part in base 2, 8, 10 or 16."""
    letter = {2: "b", 8: "o", 10: "d", 16: "x"}.get(integer(base, "operand 2"))
    if letter is None:
        raise OperandError("operand 2 must be one of {2, 8, 10, 16}")
    import math

    return format(math.floor(value), letter)


@add("strings.replace_n", "os")
def replace_n(patterns: dict[str, Value], value: str) -> str:
    """Replace many strings in one pass; of two that begin at one place the lesser key wins."""
    pairs = pairs_ordered(patterns)
    names = strings([key for key, _ in pairs], "operand 1")
    strings([new for _, new in pairs], "operand 1")
    if not names:
        return value
    return re_literal.sub("|".join(map(re_literal.escape, names)), lambda match: str(patterns[match.group()]), value)


def _any_match(values: Value, parts: Value, test: Callable[[str, str], bool]) -> bool:
    left = [values] if type(values) is str else strings(values, "operand 1")
    right = [parts] if type(parts) is str else strings(parts, "operand 2")
    return any(test(one, part) for one in left for part in right)


simple("strings.any_prefix_match", "yy", lambda values, parts: _any_match(values, parts, str.startswith))
simple("strings.any_suffix_match", "yy", lambda values, parts: _any_match(values, parts, str.endswith))


@add("strings.render_template", "so")
def render_template(template: str, values: Value) -> str:
    """Only fields: ``{{.name}}``. Raises EvaluationError for the rest of Go's language of templates."""

    def field(match: re_literal.Match[str]) -> str:
        found: Value = values
        for name in match.group(1).strip().split(".")[1:]:
            if type(found) is not dict or name not in found:
                return "<undefined>"
            found = found[name]
        return sprintf("%v", [found])

    rendered = re_literal.sub(r"\{\{(\s*(?:\.\w+)+\s*)\}\}", field, template)
    if "{{" in rendered:
        raise EvaluationError(
            "eval_builtin_error", "strings.render_template: only fields such as {{.name}} are supported"
        )
    return rendered


# Regular expressions


def _is_valid(source: str) -> bool:
    try:
        compile_pattern(source)
    except ValueError:
        return False
    return True


@add("regex.find_n", "ssn")
def find_n(source: str, value: str, most: float) -> list[str]:
    """The first matches, all when negative."""
    number = integer(most, "operand 3")
    found = [match.group() for match in matches(pattern(source), value)]
    return found if number < 0 else found[:number]


@add("regex.find_all_string_submatch_n", "ssn")
def find_groups(source: str, value: str, most: float) -> list[list[str]]:
    """The first matches with their groups; one that took no part is an empty string."""
    number = integer(most, "operand 3")
    found = [[match.group(), *[group or "" for group in match.groups()]] for match in matches(pattern(source), value)]
    return found if number < 0 else found[:number]


@add("regex.split", "ss")
def regex_split(source: str, value: str) -> list[str]:
    """The text between the matches."""
    if not value:
        return [""] if source else []
    found, at, last = [], 0, 0
    for match in matches(pattern(source), value):
        last = match.start()
        if match.end():
            found.append(value[at:last])
        at = match.end()
    return [*found, value[at:]] if last != len(value) else found


_DOLLAR = re_literal.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


@add("regex.replace", "sss", costly=True)
def regex_replace(spend: Callable[[int], None], value: str, source: str, new: str) -> str:
    """Every match; ``$1`` and ``${name}`` are its groups, as in Go."""
    compiled = pattern(source)

    def expanded(match: Any) -> str:
        def part(found: re_literal.Match[str]) -> str:
            name = found.group(2) or found.group(3)
            if found.group(1) or not (int(name) <= compiled.groups if name.isdigit() else name in compiled.groupindex):
                return found.group(1) or ""
            return str(match.group(int(name) if name.isdigit() else name) or "")

        return _DOLLAR.sub(part, new)

    pieces, at = [], 0
    for match in matches(pattern(source), value):
        spend(1 + (len(new) >> 4))
        pieces += [value[at : match.start()], expanded(match)]
        at = match.end()
    return "".join([*pieces, value[at:]])


@add("regex.template_match", "ssss")
def template_match(template: str, value: str, start: str, end: str) -> bool:
    """A text with patterns between delimiters, such as ``urn:{.*}``."""
    if len(start) != 1 or len(end) != 1:
        raise BuiltinError("delimiters are single characters")
    built, at = "", 0
    while (begin := template.find(start, at)) >= 0:
        stop = _closing(template, begin, start, end)
        built += re_literal.escape(template[at:begin]) + f"({template[begin + 1 : stop]})"
        at = stop + 1
    return pattern(built + re_literal.escape(template[at:])).fullmatch(value) is not None


def _closing(template: str, begin: int, start: str, end: str) -> int:
    depth = 0
    for at in range(begin, len(template)):
        depth += (template[at] == start) - (template[at] == end and at > begin)
        if depth == 0:
            return at
    raise BuiltinError(f"unbalanced delimiters in {template!r}")


# Globs


@add("glob.match", "s*s")
def glob_match(source: str, delimiters: Value, value: str) -> bool:
    """``*`` stops at delimiters (``.`` when the list is empty, none when it is null); ``**`` does not."""
    if delimiters is None:
        separators = ""
    elif type(delimiters) is list:
        if any(len(each) > 1 for each in strings(delimiters, "operand 2")):
            raise BuiltinError("glob.match: a delimiter is a single character")
        separators = "".join(strings(delimiters, "operand 2")) or "."
    else:
        raise OperandError("glob.match: operand 2 must be null or array")
    return pattern(glob_pattern(source, separators)).fullmatch(value) is not None


@lru_cache(maxsize=512)
def glob_pattern(source: str, separators: str) -> str:
    """The glob as a regular expression. Raises BuiltinError when it is not well formed."""
    inside = f"[^{re_literal.escape(separators)}]" if separators else "."
    out, at, depth = "(?s)", 0, 0
    while at < len(source):
        symbol = source[at]
        if symbol == "\\" and at + 1 < len(source):
            at += 1
            out += re_literal.escape(source[at])
        elif symbol == "*":
            double = source.startswith("**", at)
            out += ".*" if double else f"{inside}*"
            at += double
        elif symbol == "[":
            at, piece = _glob_class(source, at)
            out += piece
        elif symbol == "{":
            depth, out = depth + 1, out + "(?:"
        elif symbol in "},":
            out += {"}": ")", ",": "|"}[symbol] if depth else re_literal.escape(symbol)
            depth -= symbol == "}" and depth > 0
        else:
            out += inside if symbol == "?" else re_literal.escape(symbol)
        at += 1
    if depth:
        raise BuiltinError("glob: a brace is not closed")
    return out


_CLASS: Final = re_literal.compile(r"\[(!?)((?:\\.|[^\\])(?:\\.|[^\\\]])*)\]", re_literal.DOTALL)


def _glob_class(source: str, at: int) -> tuple[int, str]:
    found = _CLASS.match(source, at)
    if not found:
        raise BuiltinError("glob: a bracket is not closed")
    # The set of symbols of ours and the expression's differ in `^` and in what needs no escape.
    body = re_literal.sub(r"\\(.)|([\[^])", lambda one: re_literal.escape(one.group(1) or one.group(2)), found.group(2))
    return found.end() - 1, f"[{'^' if found.group(1) else ''}{body}]"


def unique(values: list[Value]) -> list[Value]:
    """Each value once, in the order of arrival."""
    return list({key_of(value): value for value in values}.values())

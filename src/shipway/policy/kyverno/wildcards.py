"""``*`` and ``?`` in names, labels and patterns. Linear memory, at worst ``len(text) * len(pattern)`` steps; no regexes."""


def has_wildcard(text: str) -> bool:
    """Whether ``text`` stands for more than itself."""
    return "*" in text or "?" in text


def matches(pattern: str, text: str) -> bool:
    """``*`` is any run of characters, the empty one too; ``?`` is exactly one character."""
    if pattern == "*":
        return True
    if not has_wildcard(pattern):
        return pattern == text
    at_pattern = at_text = 0
    star, resume = -1, 0
    while at_text < len(text):
        symbol = pattern[at_pattern] if at_pattern < len(pattern) else ""
        if symbol == "*":
            star, resume = at_pattern, at_text
            at_pattern += 1
        elif symbol == "?" or (symbol and symbol == text[at_text]):
            at_pattern += 1
            at_text += 1
        elif star >= 0:
            resume += 1
            at_pattern, at_text = star + 1, resume
        else:
            return False
    return all(symbol == "*" for symbol in pattern[at_pattern:])

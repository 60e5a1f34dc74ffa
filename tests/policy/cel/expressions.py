"""Random typed CEL expressions and bindings, as Hypothesis strategies of source text. Used by the differential test."""

from collections.abc import Callable

from hypothesis import strategies as st

Source = st.SearchStrategy[str]

INTS = st.one_of(
    st.integers(-20, 20),
    st.sampled_from([2**63 - 1, -(2**63), 2**53, 2**53 + 1, 2**31, 4611686018427387904, -4611686018427387904]),
)
UINTS = st.one_of(st.integers(0, 20), st.sampled_from([2**64 - 1, 2**63, 2**53 + 1]))
DOUBLES = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.5, 2.5, 1e18, 9223372036854775808.0, 1e300, 1.7e-300]),
    st.integers(-20, 20).map(float),
)
TEXTS = st.text(st.sampled_from("abcAB xyz01-_.:/é🐱"), max_size=6)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, 1.0, -2.25]), TEXTS),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "c"]), below, max_size=3)
    ),
    max_leaves=8,
)
BINDINGS = st.fixed_dictionaries(
    {
        "i": st.integers(-20, 20),
        "s": TEXTS,
        "l": st.lists(st.integers(-5, 5), max_size=4),
        "m": st.dictionaries(st.sampled_from(["a", "b", "c"]), PLAIN, max_size=3),
        "v": PLAIN,
    }
)


def quoted(text: str) -> str:
    """A CEL literal of the text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def form(template: str, *parts: Source) -> Source:
    """The template with ``{}`` replaced by sources."""
    return st.tuples(*parts).map(lambda given: template.format(*given))


def choice(*symbols: str) -> Source:
    """One of the words."""
    return st.sampled_from(symbols)


Grammar = dict[str, Callable[[int], list[Source]]]
TYPES = ("int", "uint", "double", "string", "bytes", "bool", "list", "map", "timestamp", "duration", "dyn")


def source(kind: str, depth: int) -> Source:
    """Expressions of a type, at most ``depth`` operators high."""
    leaf = _LEAVES[kind]
    if depth <= 0:
        return leaf
    return st.one_of(leaf, *_NODES[kind](depth - 1), *_any(kind, depth - 1))


def anything(depth: int) -> Source:
    """Expressions of any type."""
    return st.one_of(*(source(kind, depth) for kind in TYPES))


def _any(kind: str, depth: int) -> list[Source]:
    same, boolean = st.deferred(lambda: source(kind, depth)), st.deferred(lambda: source("bool", depth))
    return [form("({} ? {} : {})", boolean, same, same), form("cel.bind(w, {}, {})", same, same)]


def _lazy(kind: str, depth: int) -> Source:
    return st.deferred(lambda: source(kind, depth))


_LEAVES: dict[str, Source] = {
    "int": st.one_of(INTS.map(str), st.just("i"), st.just("dyn(i)")),
    "uint": UINTS.map(lambda value: f"{value}u"),
    "double": DOUBLES.map(repr),
    "string": st.one_of(TEXTS.map(quoted), st.just("s")),
    "bytes": TEXTS.map(lambda text: "b" + quoted(text)),
    "bool": choice("true", "false"),
    "list": choice("l", "[]", "[1, 2, 3]", "['a', s]", "[1, 1u, 1.0, true]"),
    "map": choice("m", "{}", "{'a': 1, 'b': 'x'}", "{1: 'one', 2u: 'two'}", "{true: i}"),
    "timestamp": choice(
        "timestamp('2026-03-29T01:30:00.123456Z')", "timestamp(i)", "timestamp('0001-01-01T00:00:00Z')"
    ),
    "duration": choice("duration('90m')", "duration('-1.567s')", "duration('0s')", "duration('1h2m3s')"),
    "dyn": choice("v", "m.a", "m.b", "m['c']", "l[0]", "v.a.b", "l[i]"),
}


def _int(d: int) -> list[Source]:
    int_, string, anything_, list_ = _lazy("int", d), _lazy("string", d), _lazy("dyn", d), _lazy("list", d)
    moment, span = _lazy("timestamp", d), _lazy("duration", d)
    return [
        form("({} {} {})", int_, choice("+", "-", "*", "/", "%"), int_),
        form("-({})", int_),
        form("size({})", st.one_of(string, list_, _lazy("map", d))),
        form("int({})", st.one_of(_lazy("double", d), _lazy("uint", d), string, int_)),
        form("{}.indexOf({})", string, string),
        form("({} + {})", anything_, int_),
        form("math.{}({}, {})", choice("greatest", "least"), int_, st.one_of(int_, anything_)),
        form("math.{}({})", choice("abs", "sign", "bitNot"), int_),
        form("math.{}({}, {})", choice("bitAnd", "bitOr", "bitXor", "bitShiftLeft", "bitShiftRight"), int_, int_),
        form("{}.get{}()", moment, choice("FullYear", "Month", "Date", "DayOfWeek", "DayOfYear", "Hours", "Minutes")),
        form("{}.get{}('{}')", moment, choice("Date", "Hours"), choice("Europe/Berlin", "+05:30", "UTC")),
        form("{}.get{}()", span, choice("Hours", "Minutes", "Seconds")),
        form("int({})", moment),
        form("{}.lastIndexOf({})", string, string),
        form("optional.of({}).optMap(o, o + {}).orValue({})", int_, int_, int_),
        form("optional.ofNonZeroValue({}).or(optional.of({})).value()", int_, int_),
        form("{}.filter(x, {})[0]", list_, _lazy("bool", d)),
    ]


def _bool(d: int) -> list[Source]:
    any_, int_, string, double = _lazy("dyn", d), _lazy("int", d), _lazy("string", d), _lazy("double", d)
    bool_, list_, map_, uint = _lazy("bool", d), _lazy("list", d), _lazy("map", d), _lazy("uint", d)
    mixed = st.one_of(any_, int_, string, double, bool_, list_, map_, uint, _lazy("timestamp", d), _lazy("duration", d))
    compare = choice("<", "<=", ">", ">=")
    return [
        form("({} {} {})", bool_, choice("&&", "||"), bool_),
        form("({} {} {})", any_, choice("&&", "||"), bool_),
        form("({} {} {})", bool_, choice("&&", "||"), any_),
        form("!{}", bool_),
        form("({} {} {})", mixed, choice("==", "!="), mixed),
        *(form("({} {} {})", one, compare, one) for one in (int_, string, double, uint, any_)),
        form("({} {} {})", st.one_of(int_, double, uint), compare, st.one_of(int_, double, uint)),
        form("({} {} {})", _lazy("timestamp", d), compare, _lazy("timestamp", d)),
        form("({} in {})", mixed, st.one_of(list_, map_, any_)),
        form("has({}.{})", st.one_of(map_, any_), choice("a", "b", "c")),
        form("{}.{}(x, {})", st.one_of(list_, map_, any_), choice("all", "exists", "exists_one"), bool_),
        form("{}.{}(x, x {} {})", list_, choice("all", "exists", "exists_one"), choice(">", "==", "<="), int_),
        form("{}.{}({})", string, choice("startsWith", "endsWith", "contains"), string),
        form("{}.matches({})", string, choice("'^a'", "'[0-9]+'", "'a|b'", "'^(ab)*$'")),
        form("{}.?{}.hasValue()", st.one_of(map_, any_), choice("a", "b")),
        form(
            "(type({}) == {})", mixed, choice("int", "uint", "double", "string", "bytes", "bool", "list", "map", "type")
        ),
        form("(type({}) == type({}))", mixed, mixed),
        form("bool({})", st.one_of(string, bool_, choice("'true'", "'False'", "'1'", "'x'"))),
        form("math.{}({})", choice("isNaN", "isInf", "isFinite"), double),
        form("({} {} {})", _lazy("bytes", d), compare, _lazy("bytes", d)),
        form("({} {} {})", _lazy("duration", d), compare, _lazy("duration", d)),
        form("({} {} {})", bool_, compare, bool_),
        form("{}.all(x, {}.exists(y, x == y))", list_, list_),
    ]


def _dyn(d: int) -> list[Source]:
    any_, map_, list_ = _lazy("dyn", d), _lazy("map", d), _lazy("list", d)
    return [
        form("{}.{}", st.one_of(map_, any_), choice("a", "b", "c")),
        form(
            "{}[{}]", st.one_of(list_, map_, any_), st.one_of(_lazy("int", d), _lazy("string", d), _lazy("double", d))
        ),
        form("{}.?{}.orValue({})", st.one_of(map_, any_), choice("a", "b"), st.one_of(_lazy("int", d), any_)),
        form("{}[?{}].orValue({})", st.one_of(list_, any_), _lazy("int", d), any_),
        form("({} {} {})", any_, choice("+", "-", "*", "/", "%"), any_),
        form("dyn({})", st.one_of(_lazy("double", d), _lazy("bool", d), _lazy("string", d), _lazy("uint", d))),
    ]


_NODES: Grammar = {
    "int": _int,
    "bool": _bool,
    "dyn": _dyn,
    "uint": lambda d: [
        form("({} {} {})", _lazy("uint", d), choice("+", "-", "*", "/", "%"), _lazy("uint", d)),
        form("uint({})", st.one_of(_lazy("int", d), _lazy("double", d), _lazy("string", d))),
    ],
    "double": lambda d: [
        form("({} {} {})", _lazy("double", d), choice("+", "-", "*", "/"), _lazy("double", d)),
        form("-({})", _lazy("double", d)),
        form("math.{}({})", choice("ceil", "floor", "round", "trunc", "abs", "sign"), _lazy("double", d)),
        form("double({})", st.one_of(_lazy("int", d), _lazy("uint", d), _lazy("string", d))),
    ],
    "string": lambda d: [
        form("({} + {})", _lazy("string", d), _lazy("string", d)),
        form(
            "string({})",
            st.one_of(
                *(
                    _lazy(kind, d)
                    for kind in ("int", "uint", "double", "bool", "bytes", "string", "duration", "timestamp")
                )
            ),
        ),
        form("{}.{}()", _lazy("string", d), choice("lowerAscii", "upperAscii", "trim")),
        form("{}.substring({})", _lazy("string", d), choice("0", "1", "2")),
        form("{}.replace({}, {})", _lazy("string", d), _lazy("string", d), _lazy("string", d)),
        form("{}.split({}).join('+')", _lazy("string", d), choice("'a'", "' '", "''")),
        form("'%s|%s|%s'.format([{}, {}, {}])", *(_lazy(kind, d) for kind in ("int", "bool", "bytes"))),
        form("'%d %x %b'.format([{}, {}, {}])", *(_lazy(kind, d) for kind in ("int", "string", "uint"))),
        form("'%.2f %e'.format([{}, {}])", _lazy("double", d), _lazy("double", d)),
        form("strings.quote({})", _lazy("string", d)),
        form("{}.charAt({})", _lazy("string", d), choice("0", "1", "i")),
        form("({} + 'abcd').substring({}, {})", _lazy("string", d), choice("0", "1"), choice("1", "2", "3")),
        form("base64.encode({})", _lazy("bytes", d)),
        form("string({})", _lazy("bytes", d)),
        form("{}.map(x, string(x)).join(',')", _lazy("list", d)),
    ],
    "bytes": lambda d: [
        form("({} + {})", _lazy("bytes", d), _lazy("bytes", d)),
        form("bytes({})", _lazy("string", d)),
        form("base64.decode({})", choice("'aGk='", "'w6k'", "'%'", "base64.encode(b'xyz')")),
    ],
    "list": lambda d: [
        form("[{}, {}]", _lazy("dyn", d), _lazy("int", d)),
        form("({} + {})", _lazy("list", d), _lazy("list", d)),
        # Over lists only: the order of a map's keys is not defined.
        form("{}.map(x, {})", _lazy("list", d), st.one_of(_lazy("int", d), st.just("x"))),
        form("{}.map(x, [x, {}])", _lazy("list", d), _lazy("dyn", d)),
        form("{}.filter(x, {})", _lazy("list", d), _lazy("bool", d)),
        form("[?{}.?a, {}]", _lazy("map", d), _lazy("int", d)),
    ],
    "map": lambda d: [
        form("{{'a': {}, 'c': {}}}", _lazy("dyn", d), _lazy("int", d)),
        form("{{{}: {}, {}: 1}}", _lazy("int", d), _lazy("dyn", d), _lazy("string", d)),
        form("{{?'b': {}.?a}}", _lazy("map", d)),
    ],
    "timestamp": lambda d: [
        form("({} {} {})", _lazy("timestamp", d), choice("+", "-"), _lazy("duration", d)),
        form("timestamp({})", st.one_of(_lazy("int", d), _lazy("string", d))),
    ],
    "duration": lambda d: [
        form("({} {} {})", _lazy("duration", d), choice("+", "-"), _lazy("duration", d)),
        form("({} - {})", _lazy("timestamp", d), _lazy("timestamp", d)),
    ],
}

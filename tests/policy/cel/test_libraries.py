"""The extension and Kubernetes libraries, by the examples of their documentation."""

from typing import Any

import pytest

from shipway.policy.cel import CelError, compile_
from shipway.policy.cel.names import Authorizer

VALUES: list[tuple[str, Any]] = [
    # lists (Kubernetes) and the lists extension
    ("[1, 2, 2].isSorted() && !['b', 'a'].isSorted() && [].isSorted()", True),
    ("[[1, 3].sum(), [].sum(), [1u, 2u].sum()]", [4, 0, 3]),
    ("[duration('1h'), duration('30m')].sum() == duration('90m')", True),
    ("[[1, 3, 2].min(), ['a', 'c'].max(), [1, 2, 2, 3].indexOf(2), [1, 2, 2].lastIndexOf(2), [1].indexOf(9)]", [1, "c", 1, 2, -1]),
    ("[1, 2, 3, 4].slice(1, 3) + [3, 1, 2].sort() + [1, 2].reverse()", [2, 3, 1, 2, 3, 2, 1]),
    ("[1, [2, [3]]].flatten() == [1, 2, [3]] && [1, [2, [3]]].flatten(2) == [1, 2, 3]", True),
    ("[{'n': 'b'}, {'n': 'a'}].sortBy(x, x.n).map(x, x.n)", ["a", "b"]),
    ("[1, 'a', 1.0, 'a', 1u, true].distinct()", [1, "a", True]),
    ("lists.range(3)", [0, 1, 2]),
    ("[1, 2].first().value() + [1, 2].last().value()", 3),
    ("sets.contains([1, 2, 3], [1.0, 2u]) && !sets.contains(['a'], ['b'])", True),
    ("sets.equivalent([1, 2, 2], [2, 1]) && sets.intersects(['a', 'b'], ['b']) && !sets.intersects([1], [2])", True),
    # strings
    ("'a,b,c'.split(',', 2) + ['x', 'y'].join('').split('')", ["a", "b,c", "x", "y"]),
    ("'%s is %d, %.1f, %x, %b, %o, %e'.format(['a', 5, 2.25, 255, 5, 8, 1234.5])", "a is 5, 2.2, ff, 101, 10, 1.234500e+03"),
    ("'%s %s'.format([[1, null, 2.5], {'b': true, 'a': duration('1s')}])", "[1, null, 2.5] {a: 1s, b: true}"),
    ("strings.quote('a\\n\"b\"')", '"a\\n\\"b\\""'),
    ("string(1e6) + ' ' + string(123456.5) + ' ' + string(1e-7)", "1e+06 123456.5 1e-07"),
    # regular expressions
    ("'abc 123'.find('[0-9]+') + '123 abc 456'.findAll('[0-9]+', 1)[0] + string('a'.findAll('b').size())", "1231230"),
    ("'a.b'.matches('^a\\\\.b$') && matches('xx', 'x') && !'a'.matches('^$')", True),
    (r"regex.replace('foo bar', '(\\w+) (\\w+)', '\\2 \\1')", "bar foo"),
    ("regex.replace('aaa', 'a', 'b', 2)", "bba"),
    ("regex.extract('id=42', 'id=([0-9]+)').value() + regex.extractAll('a1 b2', '[a-z]([0-9])')[1]", "422"),
    ("regex.extract('x', 'y').hasValue()", False),
    # URLs
    ("url('https://user:pw@example.com:80/a b?k1=a&k2=b&k2=c#f').getHost()", "example.com:80"),
    ("url('https://[::1]:80/').getHostname() + url('https://[::1]:80/').getPort()", "::180"),
    ("url('https://example.com/path with spaces/').getEscapedPath()", "/path%20with%20spaces/"),
    ("url('https://e.com/p?k1=a&k2=b&k2=c').getQuery()", {"k1": ["a"], "k2": ["b", "c"]}),
    ("url('/path').getScheme() + url('/path').getHost() + url('HTTPS://e.com').getScheme()", "https"),
    ("[isURL('/a'), isURL('https://a:b:c/'), isURL('../x'), isURL('https://e.com/?q#f'), isURL('')]", [True, False, False, True, False]),
    # quantities, versions
    ("quantity('1Gi') == quantity('1024Mi') && quantity('0.5').add(quantity('500m')) == quantity('1')", True),
    ("quantity('50k').sub(20).asInteger() + quantity('-1').sign()", 49979),
    ("[quantity('1.5').isInteger(), quantity('1.5').asApproximateFloat(), quantity('1e3').asInteger()]", [False, 1.5, 1000]),
    ("quantity('100m').isLessThan(quantity('1')) && quantity('2').compareTo(quantity('1Ki')) == -1", True),
    ("['1.5Gi', '1KiB', '', '1e', '.5', '5.', '1EE', '+1k', '1 k'].map(q, isQuantity(q))", [True, False, False, False, True, True, False, True, False]),
    ("semver('1.0.0-alpha.1').isLessThan(semver('1.0.0-alpha.beta')) && semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))", True),
    ("semver('v01.2', true) == semver('1.2.0+build') && semver('1.10.0').isGreaterThan(semver('1.9.0'))", True),
    ("[semver('1.2.3').major(), semver('1.2.3').minor(), semver('1.2.3').patch()]", [1, 2, 3]),
    # networks
    ("cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", True),
    ("string(cidr('10.1.2.3/8').masked()) + string(cidr('10.1.2.3/8').ip())", "10.0.0.0/810.1.2.3"),
    ("[isCIDR('10.0.0.0/33'), isCIDR('10.0.0.0/08'), isIP('1.2.3'), isIP('::1'), ip('FE80::1').isLinkLocalUnicast()]", [False, False, False, True, True]),
    # formats
    ("format.dns1123Label().validate('my-label').hasValue()", False),
    ("format.dns1123Label().validate('-bad').value()[0].startsWith('a lowercase RFC 1123 label must')", True),
    ("format.named('dns1035Label').value() == format.dns1035Label()", True),
    ("[format.uuid().validate('123e4567-e89b-12d3-a456-426614174000'), format.date().validate('2026-13-01')].map(o, o.hasValue())", [False, True]),
    ("format.qualifiedName().validate('example.com/My_Name').hasValue()", False),
    ("format.labelValue().validate('').hasValue()", False),
    # bytes
    ("base64.encode(b'hi') + string(base64.decode('aGk'))", "aGk=hi"),
    # math
    ("[math.greatest(1, 2.5, 2u), math.least([3, 1]), math.round(-0.5), math.bitShiftRight(-1, 63), math.sqrt(4)]", [2.5, 1, -1.0, 1, 2.0]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), VALUES)
def test_documented_examples(source: str, expected: Any) -> None:
    assert compile_(source).evaluate({}) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("url('::')", "URL parse error"),
        ("quantity('1.5').asInteger()", "cannot convert 1.5 to integer"),
        ("semver('1.2')", "MAJOR.MINOR.PATCH"),
        ("[].min()", "min called on empty list"),
        ("['a', 1].sort()", "same type"),
        ("[1, 2].slice(1, 5)", "cannot slice"),
        ("base64.decode('%')", "invalid base64"),
        ("cidr('fe80::1%en0/24')", "zone"),
        ("ip('::ffff:1.2.3.4')", "IPv4-mapped"),
        ("regex.replace('a', 'a', '\\\\9')", "refers to group 9"),
        ("regex.extract('a', '(a)(b)')", "more than one capturing group"),
        ("authorizer.group('apps').resource('deployments').check('get').allowed()", "not available here"),
    ],
)
def test_errors_say_what_is_wrong(source: str, words: str) -> None:
    with pytest.raises(CelError, match=words):
        compile_(source).evaluate({"authorizer": Authorizer()})

"""Small templates for make_chat_vectors.py, a few for each feature of the template language."""

VARIABLES = {
    "s": "Hello, World", "empty": "", "space": "  two words \n", "uni": "Straße ΑΒΓς café 日本 😀", "i": 7, "neg": -7,
    "f": 2.5, "big": 123456789012, "t": True, "no": False, "nil": None, "l": [3, 1, 2], "le": [], "m": {"b": 1, "a": 2},
    "me": {}, "nested": {"x": {"y": [10, {"z": "deep"}]}}, "words": ["pear", "Apple", "fig", "apple"],
    "rows": [{"n": "x", "v": 3, "g": "a"}, {"n": "y", "v": 1, "g": "b"}, {"n": "Z", "v": 2, "g": "a"}, {"n": "w"}],
    "msgs": [{"role": "system", "content": "S"}, {"role": "user", "content": "U1"},
             {"role": "assistant", "content": "A1", "tool_calls": [{"name": "f", "arguments": {"q": 1.0}}]},
             {"role": "user", "content": [{"type": "text", "text": "part"}, {"type": "image"}]}],
    "html": "<a href='x'>\"&\"</a>", "lines": "one\ntwo\r\n\nfour\n", "csv": "a,b,,c", "floats": [1.0, 1e16, 1.5e-7, 0.1, -0.0],
    "mixed": [1, "1", 1.0, True, None, [1], {"k": "v"}], "quote": "it's \"q\" \\ \t\u0007\u00a0\u200b",
}

LITERALS = """{{ 1 }}|{{ 1_000 }}|{{ 0x1F }}|{{ 0b101 }}|{{ 0o17 }}|{{ 1.5 }}|{{ 1e3 }}|{{ 1.5e-7 }}|{{ 1e16 }}|{{ 1e15 }}|{{ 123456789.123 }}
{{ 'a' "b" }}|{{ 'it\\'s' }}|{{ "\\x41\\u00e9\\n\\t|" }}|{{ '\\q' }}|{{ '\\101' }}|{{ "\\U0001F600" }}|{{ 'a\\\\nb' }}
{{ true }}|{{ True }}|{{ false }}|{{ none }}|{{ None }}|{{ [] }}|{{ {} }}|{{ () }}|{{ (1,) }}|{{ (1, 2) }}|{{ 1, 2 }}|{{ [1, 'a', none] }}
{{ [1, [2, [3]],] }}|{{ {'a': 1, 'b': [1, 2],} }}|{{ {1: 2, none: 3, (1, 2): 4} }}|{{ {'a': 1, 'a': 2} }}|{{ {1: 'a', 1.0: 'b', true: 'c'} }}
{{ mixed }}|{{ floats }}|{{ quote }}|{{ [quote] }}|{{ ["it's"] }}|{{ ['"'] }}|{{ [uni] }}|{{ nested }}|{{ m }}|{{ [t, nil] }}|{{ {[1]: 2} }}
{{ 9007199254740993 }}|{{ 1.0 }}|{{ 100000000000000000000.0 }}|{{ 1.1 + 2.2 }}|{{ 0.1 + 0.2 }}|{{ 5e-324 }}|{{ 1e308 * 10 }}|{{ 3.0e0 }}"""

OPERATORS = """{{ 1 + 2 }}|{{ 1 - 2 }}|{{ 3 * 4 }}|{{ 7 / 2 }}|{{ 6 / 2 }}|{{ 7 // 2 }}|{{ -7 // 2 }}|{{ 7 % 3 }}|{{ -7 % 3 }}|{{ 7 % -3 }}|{{ 2 ** 10 }}
{{ 2 ** -1 }}|{{ 2 ** 3 ** 2 }}|{{ -2 ** 2 }}|{{ 7.5 // 2 }}|{{ -7.5 % 2 }}|{{ 1 + 1.5 }}|{{ true + 1 }}|{{ 1 / 0 }}|{{ 1 // 0 }}|{{ 1 % 0 }}|{{ 1.0 % 0 }}
{{ 'a' + 'b' }}|{{ 'a' * 3 }}|{{ 3 * 'ab' }}|{{ 'a' * -1 }}|{{ [1] + [2] }}|{{ [1, 2] * 2 }}|{{ (1,) + (2,) }}|{{ 'a' + 1 }}|{{ 1 + 'a' }}|{{ [1] + (2,) }}
{{ 'a' ~ 1 ~ none ~ true }}|{{ 1 ~ 2 }}|{{ s ~ missing ~ '!' }}|{{ [1] ~ 'x' }}|{{ 1 + 2 ~ 3 + 4 }}|{{ -i }}|{{ +i }}|{{ --i }}|{{ -f }}|{{ -s }}|{{ - missing }}
{{ 1 + 2 * 3 }}|{{ (1 + 2) * 3 }}|{{ 2 * 3 % 4 }}|{{ 10 - 2 - 3 }}|{{ 2 - -2 }}|{{ 1 < 2 }}|{{ 2 <= 2 }}|{{ 3 > 4 }}|{{ 3 >= 3.0 }}|{{ 1 == 1.0 }}|{{ 1 == true }}
{{ '1' == 1 }}|{{ 1 != 2 }}|{{ 'a' < 'b' }}|{{ 'a' < 'B' }}|{{ [1, 2] < [1, 3] }}|{{ [1] == [1.0] }}|{{ (1,) == [1] }}|{{ 1 < 'a' }}|{{ none < 1 }}|{{ 1 < 2 < 3 }}
{{ 1 < 3 > 2 }}|{{ 3 > 2 > 2 }}|{{ none == none }}|{{ missing == missing2 }}|{{ missing == none }}|{{ m == {'a': 2, 'b': 1} }}|{{ 'é' < 'z' }}|{{ missing < 1 }}
{{ 'a' in 'cat' }}|{{ 'x' not in s }}|{{ 1 in [1, 2] }}|{{ 'a' in m }}|{{ 2 in m }}|{{ 1 in 'a' }}|{{ 1 in 5 }}|{{ 'x' in missing }}|{{ none in [none] }}|{{ 1.0 in [1] }}
{{ not true }}|{{ not '' }}|{{ not not 1 }}|{{ not 1 == 2 }}|{{ 1 and 2 }}|{{ 0 and 2 }}|{{ 0 or 'x' }}|{{ '' or none or 'z' }}|{{ 1 or 1/0 }}|{{ [] or {} }}|{{ not missing }}
{{ 1 if true }}|{{ 1 if false }}|{{ 1 if false else 2 }}|{{ 1 if 0 else 2 if 0 else 3 }}|{{ 'a' if missing else 'b' }}|{{ ('x' if t) ~ 'y' }}|{{ (1 if no).x }}|{{ 1 if t else missing.x }}
{{ '%s-%d' % ('a', 5) }}|{{ '%s' % 'x' }}|{{ '%05.2f|%5s|%-5s|%%' % (3.14159, 'a', 'b') }}|{{ '%s' % [1] }}|{{ '%s %s' % (1,) }}|{{ '%d' % 'a' }}|{{ '%(a)s' % {'a': 1} }}|{{ '%r' % 'q' }}|{{ '%+d' % 5 }}
{{ 9223372036854775807 }}|{{ 2 ** 62 }}|{{ -3 // 2.0 }}|{{ 0 ** 0 }}|{{ 0.0 == -0.0 }}|{{ 1 is not none and 2 }}|{{ 'ab' 'cd' ~ 'ef' }}|{{ [] < [1] }}|{{ 1 in {1: 2} }}|{{ [1] in {1: 2} }}"""

ACCESS = """{{ m.a }}|{{ m['a'] }}|{{ m.zz }}|{{ m['zz'] }}|{{ m.zz.y }}|{{ missing }}|{{ missing.x }}|{{ missing['x'] }}|{{ missing() }}|{{ nested.x.y[1].z }}|{{ nested['x']['y'][0] }}
{{ l[0] }}|{{ l[-1] }}|{{ l[5] }}|{{ l[5].x }}|{{ l.0 }}|{{ nested.x.y.1.z }}|{{ s[0] }}|{{ s[-1] }}|{{ s[99] }}|{{ uni[4] }}|{{ uni[-1] }}|{{ l['a'] }}|{{ l[1.5] }}|{{ i[0] }}|{{ i.x }}|{{ nil.x }}
{{ l[1:] }}|{{ l[:1] }}|{{ l[:-1] }}|{{ l[::-1] }}|{{ l[::2] }}|{{ l[-2:] }}|{{ l[5:] }}|{{ l[2:0:-1] }}|{{ s[1:4] }}|{{ s[::-1] }}|{{ uni[6:9] }}|{{ s[:-1] }}|{{ (1, 2, 3)[1:] }}|{{ l[::0] }}|{{ missing[1:] }}
{{ l['1':] }}|{{ m[1:] }}|{{ l[none:2] }}|{{ s[0:100] }}|{{ m.items() }}|{{ m.keys() }}|{{ m.values() }}|{{ m.get('a') }}|{{ m.get('q') }}|{{ m.get('q', 5) }}|{{ m.keys()|list }}
{{ {'items': 1}['items'] }}|{{ {'get': 1}['get'] }}|{{ {'x': {'y': 1}}.x.y }}|{{ msgs[2].tool_calls[0].arguments.q }}|{{ msgs[0]['role'] == 'system' }}|{{ msgs[-1].content[0].text }}|{{ msgs[-1]['content'] is string }}
{{ m.update({'x': 1}) }}|{{ l.append(1) }}|{{ l.pop() }}|{{ l.index(1) }}|{{ l.index(9) }}|{{ l.count(2) }}|{{ (1, 2).index(2) }}|{{ s.nope }}|{{ s.nope() }}|{{ range(3) }}|{{ range(3)[1] }}|{{ range(1, 10, 3)|list }}|{{ range(5, 0, -2)|list }}|{{ range(0) | list }}
{{ range(200000) }}|{{ range('a') }}|{{ range(3)|length }}|{{ range(2) == range(2) }}|{{ dict(a=1, b=2) }}|{{ dict({'x': 1}, y=2) }}|{{ dict([('a', 1)]) }}|{{ dict() }}|{{ m['a'] + m['b'] }}|{{ ''[0] }}|{{ m[1] }}|{{ {1: 'x'}[1] }}|{{ {1: 'x'}[true] }}"""

TESTS = """{{ x is defined }}|{{ i is defined }}|{{ x is undefined }}|{{ x is not defined }}|{{ m.q is defined }}|{{ nil is none }}|{{ x is none }}|{{ nil is not none }}|{{ s is string }}|{{ i is string }}
{{ i is number }}|{{ f is number }}|{{ t is number }}|{{ s is number }}|{{ i is integer }}|{{ t is integer }}|{{ f is integer }}|{{ f is float }}|{{ i is float }}|{{ t is boolean }}|{{ i is boolean }}|{{ t is true }}|{{ i is true }}|{{ no is false }}|{{ 0 is false }}
{{ m is mapping }}|{{ l is mapping }}|{{ l is sequence }}|{{ s is sequence }}|{{ m is sequence }}|{{ i is sequence }}|{{ x is sequence }}|{{ l is iterable }}|{{ i is iterable }}|{{ s is iterable }}|{{ m.items() is iterable }}|{{ m.items() is sequence }}|{{ nil is iterable }}|{{ x is iterable }}
{{ range is callable }}|{{ m.get is callable }}|{{ s is callable }}|{{ i is even }}|{{ i is odd }}|{{ 4 is even }}|{{ s is even }}|{{ 9 is divisibleby 3 }}|{{ 9 is divisibleby(2) }}|{{ i is eq 7 }}|{{ i is equalto 8 }}|{{ i is ne(8) }}|{{ i is gt 5 }}|{{ i is ge 7 }}|{{ i is lt 5 }}|{{ i is le 7 }}
{{ i is sameas i }}|{{ nil is sameas none }}|{{ t is sameas true }}|{{ 1 is sameas true }}|{{ 1 is in [1, 2] }}|{{ 'a' is in 'abc' }}|{{ 3 is not in [1] }}|{{ 'abc' is lower }}|{{ 'ABC' is upper }}|{{ 'Abc' is lower }}|{{ '12' is upper }}|{{ s is nosuch }}|{{ 'upper' is filter }}|{{ 'nosuch' is filter }}|{{ 'defined' is test }}
{{ i is greaterthan 3 }}|{{ i is lessthan 3 }}|{{ i is defined and s is string }}|{{ not i is defined }}|{{ i is defined == true }}|{{ i + 1 is number }}|{{ 'x' if i is odd else 'y' }}|{{ x is defined or 'y' }}|{{ l[0] is number }}|{{ i is number is true }}|{{ (x is defined) is false }}|{{ i is not string }}|{{ i is divisibleby 0 }}|{{ 2.0 is even }}|{{ -3.0 is odd }}|{{ 2.5 is even }}|{{ 1e300 is even }}|{{ i is number and not s is number }}|{{ 'a' is string ~ 'b' }}"""

FILTERS = """{{ space|trim }}|{{ '--x--'|trim('-') }}|{{ 5|trim }}|{{ none|trim }}|{{ x|trim }}|{{ uni|upper }}|{{ uni|lower }}|{{ 'hELLO wORLD'|capitalize }}|{{ "it's a-b (c) x_y"|title }}|{{ i|upper }}|{{ 'ﬁsh'|upper }}|{{ 'ΑΣ ΣΑ'|lower }}
{{ l|length }}|{{ s|count }}|{{ uni|length }}|{{ m|length }}|{{ i|length }}|{{ x|length }}|{{ nil|length }}|{{ l|first }}|{{ l|last }}|{{ le|first }}|{{ le|last }}|{{ s|first }}|{{ s|last }}|{{ m|first }}|{{ m|last }}|{{ le|first is defined }}|{{ x|first }}|{{ i|first }}
{{ l|join }}|{{ l|join(', ') }}|{{ rows|join('-', attribute='n') }}|{{ s|join('.') }}|{{ m|join(',') }}|{{ [none, true, 'a']|join('|') }}|{{ i|join }}|{{ x|join(',') }}|{{ [l, 'a']|join(' ') }}|{{ words|join(d='/') }}
{{ s|list }}|{{ m|list }}|{{ (1, 2)|list }}|{{ x|list }}|{{ i|list }}|{{ m.items()|list }}|{{ m|items|list }}|{{ x|items|list }}|{{ l|items|list }}|{{ m|dictsort }}|{{ m|dictsort(by='value') }}|{{ m|dictsort(reverse=true) }}|{{ {'B': 1, 'a': 2}|dictsort }}|{{ {'B': 1, 'a': 2}|dictsort(true) }}
{{ rows|map(attribute='n')|list }}|{{ rows|map(attribute='v', default=0)|list }}|{{ words|map('upper')|list }}|{{ words|map('replace', 'p', 'q')|join(' ') }}|{{ l|map('string')|join }}|{{ rows|map(attribute='v')|list }}|{{ [[1, 2], [3, 4]]|map('first')|list }}|{{ [[1, 2], [3, 4]]|map(attribute=1)|list }}|{{ [{'a': {'b': 1}}]|map(attribute='a.b')|list }}|{{ l|map('nosuch')|list }}|{{ l|map|list }}|{{ msgs|map(attribute='role')|join(',') }}
{{ l|select('odd')|list }}|{{ l|reject('odd')|list }}|{{ [0, 1, '', 'a', none]|select|list }}|{{ [0, 1, '']|reject|list }}|{{ l|select('gt', 1)|list }}|{{ l|select('in', [1, 2])|list }}|{{ rows|selectattr('v')|map(attribute='n')|list }}|{{ rows|selectattr('v', 'defined')|list|length }}|{{ rows|rejectattr('v', 'defined')|list }}|{{ msgs|selectattr('role', 'equalto', 'user')|list|length }}|{{ msgs|selectattr('role', '==', 'user')|map(attribute='content')|first }}|{{ msgs|rejectattr('role', 'in', ['user', 'system'])|map(attribute='role')|list }}|{{ l|select('nosuch')|list }}|{{ rows|selectattr|list }}
{{ l|sort }}|{{ l|sort(reverse=true) }}|{{ words|sort }}|{{ words|sort(case_sensitive=true) }}|{{ rows[:3]|sort(attribute='v')|map(attribute='n')|list }}|{{ rows[:3]|sort(attribute='g,v')|map(attribute='n')|list }}|{{ mixed|sort }}|{{ m|sort }}|{{ s|sort|join }}|{{ rows[:3]|sort(attribute='n', reverse=true)|map(attribute='n')|list }}|{{ words|unique|list }}|{{ words|unique(true)|list }}|{{ [1, 1.0, true, 2]|unique|list }}|{{ rows[:3]|unique(attribute='g')|map(attribute='n')|list }}|{{ words|min }}|{{ words|max }}|{{ l|min }}|{{ l|max }}|{{ le|min }}|{{ rows[:3]|max(attribute='v') }}|{{ l|sum }}|{{ le|sum }}|{{ rows[:3]|sum(attribute='v') }}|{{ l|sum(start=10) }}|{{ words|sum }}
{{ l|reverse|list }}|{{ s|reverse }}|{{ uni|reverse }}|{{ m|reverse|list }}|{{ l|reverse|first }}|{{ l|batch(2)|list }}|{{ l|batch(2, 'x')|list }}|{{ range(7)|slice(3)|list }}|{{ range(7)|slice(3, 'x')|list }}|{{ rows[:3]|groupby('g')|list|length }}|{% for g, items in rows[:3]|groupby('g') %}{{ g }}:{{ items|length }};{% endfor %}
{{ x|default('d') }}|{{ x|d }}|{{ nil|default('d') }}|{{ nil|default('d', true) }}|{{ ''|d('e', true) }}|{{ i|default('d') }}|{{ m.q|default(m.a) }}|{{ x.y|default('z') }}|{{ nil|default('d', boolean=true) }}|{{ x|default(default_value='k') }}
{{ s|replace('o', '0') }}|{{ s|replace('o', '0', 1) }}|{{ s|replace('', '-') }}|{{ uni|replace('ß', 'ss') }}|{{ 112|replace(1, 2) }}|{{ s|replace('l', '') }}|{{ s|replace('zz', 'y') }}|{{ ''|replace('', 'x') }}|{{ x|replace('a', 'b') }}|{{ s|replace('a') }}
{{ 5|string + 'a' }}|{{ none|string }}|{{ x|string }}|{{ '42'|int }}|{{ ' 42 '|int }}|{{ '4.7'|int }}|{{ 'x'|int }}|{{ 'x'|int(5) }}|{{ '0x1F'|int(base=16) }}|{{ '1f'|int(0, 16) }}|{{ '101'|int(base=2) }}|{{ 4.9|int }}|{{ -4.9|int }}|{{ none|int }}|{{ true|int }}|{{ x|int }}|{{ [1]|int }}|{{ '1_000'|int }}|{{ '1e3'|int }}|{{ 'inf'|int }}|{{ 'nan'|int }}
{{ '2.5'|float }}|{{ 'x'|float }}|{{ 'x'|float(1.5) }}|{{ 3|float }}|{{ '1e400'|float }}|{{ 'nan'|float }}|{{ '-inf'|float }}|{{ ' 1_0.5 '|float }}|{{ none|float }}|{{ '.5'|float }}|{{ '5.'|float }}|{{ '+2'|float }}|{{ '--2'|float }}|{{ -5|abs }}|{{ neg|abs }}|{{ -2.5|abs }}|{{ 'a'|abs }}|{{ true|abs }}
{{ 2.5|round }}|{{ 3.5|round }}|{{ 2.567|round(2) }}|{{ 42|round }}|{{ 2.1|round(0, 'ceil') }}|{{ 2.9|round(0, 'floor') }}|{{ 2.1234|round(2, 'ceil') }}|{{ 1234.5|round(-2) }}|{{ 1250|round(-2) }}|{{ 2.675|round(2) }}|{{ 'a'|round }}|{{ 2.5|round(1, 'x') }}|{{ 0.5|round|int }}|{{ 7|round(2, 'floor') }}|{{ -2.5|round }}
{{ html|e }}|{{ html|escape }}|{{ html|safe }}|{{ html|e|e }}|{{ '<b>'|safe + '<c>' }}|{{ '<a>' + '<b>'|safe }}|{{ '<b>'|safe ~ '<c>' }}|{{ 5|e }}|{{ x|e }}|{{ html|forceescape }}|{{ 'a'|safe is escaped }}
{{ lines|indent }}|{{ lines|indent(2) }}|{{ lines|indent(2, true) }}|{{ lines|indent(2, true, true) }}|{{ lines|indent('> ') }}|{{ 'x'|indent(first=true) }}|{{ ''|indent }}|{{ 'a'|center(5) }}.|{{ 'ab'|center(5) }}.|{{ 'a'|center(4) }}.|{{ 'a b-c d'|wordcount }}|{{ '%s=%s'|format('a', 1) }}|{{ '%(x)s'|format(x=2) }}|{{ m|attr('a') }}|{{ s|attr('upper')() }}
{{ m|tojson }}|{{ mixed|tojson }}|{{ floats|tojson }}|{{ quote|tojson }}|{{ uni|tojson }}|{{ uni|tojson(ensure_ascii=true) }}|{{ html|tojson }}|{{ m|tojson(indent=2) }}|{{ nested|tojson(indent=4) }}|{{ le|tojson(indent=2) }}|{{ {'a': [], 'b': {}, 'c': [1]}|tojson(indent=1) }}|{{ m|tojson(sort_keys=true) }}|{{ m|tojson(separators=(',', ':')) }}|{{ m|tojson(indent='--') }}|{{ x|tojson }}|{{ (1, 2)|tojson }}|{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}|{{ {(1, 2): 3}|tojson }}|{{ range(3)|tojson }}|{{ l|map('string')|tojson }}|{{ m.keys()|tojson }}|{{ nil|tojson }}|{{ m|tojson(indent=0) }}|{{ [1, [2]]|tojson(indent=2, separators=(';', '=')) }}|{{ 1e400|tojson }}|{{ msgs|tojson }}
{{ s|nosuch }}|{{ s|upper|lower|title }}|{{ (s|upper)[0] }}|{{ s|trim|length + 1 }}|{{ -1|abs }}|{{ 1 + -1|abs }}|{{ 'a' ~ 'b'|upper }}|{{ not s|length }}|{{ s|upper.lower() }}|{{ l|sort|join(',')|length }}|{{ s|default|upper }}|{{ s|upper() }}|{{ s|upper(1) }}|{{ s|replace(old='H', new='J') }}|{{ s|trim(chars='Hd') }}|{{ s|trim(nope=1) }}|{% if x is defined and x|nosuch %}{% endif %}ok"""

METHODS = """{{ space.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ space.lstrip() }}.|{{ space.rstrip() }}.|{{ 'abc'.strip('ac') }}|{{ uni.strip('S😀') }}|{{ csv.split(',') }}|{{ space.split() }}|{{ csv.split(',', 1) }}|{{ csv.rsplit(',', 1) }}|{{ 'a  b c'.split(' ') }}|{{ 'a  b c '.split(none, 1) }}|{{ html|e|forceescape }}|{{ ' a  b c '.rsplit(none, 1) }}|{{ ''.split() }}|{{ ''.split(',') }}|{{ csv.split('') }}|{{ csv.split(sep=',', maxsplit=2) }}|{{ lines.splitlines() }}|{{ lines.splitlines(true) }}
{{ s.startswith('He') }}|{{ s.endswith('d') }}|{{ s.startswith(('x', 'H')) }}|{{ s.startswith(1) }}|{{ s.upper() }}|{{ s.lower() }}|{{ "they're a1b".title() }}|{{ s.title() }}|{{ 'hELLO'.capitalize() }}|{{ 'ßa'.capitalize() }}|{{ s.replace('l', 'L') }}|{{ s.replace('l', 'L', 1) }}|{{ s.find('o') }}|{{ s.find('o', 5) }}|{{ s.find('zz') }}|{{ s.rfind('o') }}|{{ uni.find('é') }}|{{ s.index('W') }}|{{ s.index('zz') }}|{{ s.count('l') }}|{{ s.count('') }}|{{ uni.count('Β') }}|{{ s.find('l', -3) }}|{{ s.find('H', 0, 1) }}
{{ ', '.join(words) }}|{{ ','.join([1, 2]) }}|{{ ''.join(l|map('string')) }}|{{ '-'.join('abc') }}|{{ 'a{}b{}'.format(1, 'x') }}|{{ '{0}{1}{0}'.format('a', 'b') }}|{{ '{x}'.format(x=5) }}|{{ '{{}}'.format() }}|{{ '{}'.format() }}|{{ '12'.isdigit() }}|{{ 'a1'.isdigit() }}|{{ 'ab'.isalpha() }}|{{ 'a1'.isalnum() }}|{{ ' '.isspace() }}|{{ ''.isspace() }}|{{ 'AB'.isupper() }}|{{ 'ab'.islower() }}|{{ 'a,b'.partition(',') }}|{{ 'ab'.partition(',') }}|{{ 'a,b,c'.rpartition(',') }}|{{ 'abc'.rpartition(',') }}
{{ 'Ab'.isalpha() }}|{{ 'ǅʰ日aª'.isalpha() }}|{{ 'Ⅰ'.isalpha() }}|{{ 'á'.isalpha() }}|{{ 'A1'.isalnum() }}|{{ 'A B-C D'|wordcount }}
{{ 'abc'.removeprefix('a') }}|{{ 'abc'.removesuffix('c') }}|{{ 'abc'.removeprefix('x') }}|{{ '7'.zfill(3) }}|{{ '-7'.zfill(4) }}|{{ 'a'.ljust(3, '.') }}|{{ 'a'.rjust(3) }}|{{ s.split(',')[0].lower().strip('h') }}|{{ m.copy() }}|{{ l.copy() }}|{{ m.items()|length }}|{{ m.items()|first }}|{{ (m.items()|list)[0][0] }}|{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}|{{ m.get('a', 0) + 1 }}|{{ m.get([1]) }}|{{ s.upper(1) }}|{{ 'a-b'.split('-')|last }}|{{ s.split('o')|join('0') }}|{{ '</think>' in 'x</think>y' and 'x</think>y'.split('</think>')[-1].lstrip('\\n') }}"""

STATEMENTS = r"""{% set a = namespace(x=1) %}{% set b = namespace(x=1) %}{{ a == b }} {{ a == a }} {{ a != b }} {{ a == 1 }}
{% macro m() %}{% endmacro %}{% macro n() %}{% endmacro %}{{ m == n }} {{ m == m }} {{ range == dict }}
{% set c = cycler(1, 2) %}{{ c == c }} {{ c == cycler(1, 2) }} {% set g = l|map('string') %}{{ g == g }} {{ g == l|map('string') }}
{% for x in [1] %}{% set outer = loop %}{% for y in [1] %}{{ loop == outer }} {{ loop == loop }}{% endfor %}{% endfor %}
{% if i == 7 %}a{% elif i == 8 %}b{% else %}c{% endif %}
{% if no %}a{% elif i == 7 %}b{% else %}c{% endif %}
{% if no %}a{% elif no %}b{% else %}c{% endif %}
{% if missing %}a{% endif %}b
{% for x in l %}{{ x }},{% endfor %}
{% for x in le %}{{ x }}{% else %}none{% endfor %}
{% for x in missing %}{{ x }}{% else %}none{% endfor %}
{% for x in i %}{% endfor %}
{% for x in nil %}{% endfor %}
{% for c in s %}{{ c }}.{% endfor %}
{% for k in m %}{{ k }}{% endfor %}
{% for k, v in m|dictsort %}{{ k }}{{ v }}{% endfor %}
{% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }};{% endfor %}
{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in l if x > 1 %}{{ x }}:{{ loop.index }}/{{ loop.length }} {% endfor %}
{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}
{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}
{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}
{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for x in [1, 1, 2] %}{{ loop.changed(x) }};{% endfor %}
{% for x in l %}{% for y in 'ab' %}{{ loop.index }}{{ y }}{% endfor %}{{ loop.index }};{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% break %}{% else %}e{% endfor %}
{% for x in l %}{% continue %}{% else %}e{% endfor %}
{% for x in l|reverse %}{{ x }}{{ loop.last }}{% endfor %}
{% for x in rows|selectattr('v', 'defined') %}{{ x.n }}{{ loop.length }}{% endfor %}
{% for x in range(3) %}{% set y = x %}{% endfor %}{{ y }}
{% set y = 1 %}{% for x in range(3) %}{% set y = x %}{{ y }}{% endfor %}{{ y }}
{% set y = 0 %}{% for x in range(3) %}{{ y }}{% set y = x + 10 %}{% endfor %}
{% set ns = namespace(n=0) %}{% for x in l %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}
{% set ns = namespace() %}{% set ns.a = 'x' %}{{ ns.a }}{{ ns.b }}{{ ns.b is defined }}
{% set ns = namespace({'q': 1}, r=2) %}{{ ns.q }}{{ ns['r'] }}
{% set m.x = 1 %}
{% set zz.x = 1 %}
{% set ns = namespace(_a=1) %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = [1, 2, 3] %}
{% set t2 = 1, 2 %}{{ t2 }}
{% set x %}block {{ i }}{% endset %}[{{ x }}]
{% set x | upper %}block{% endset %}[{{ x }}]
{% set x | replace('b', 'c') | title %}block{% endset %}[{{ x }}]
{% set x %}{% set inner = 5 %}{{ inner }}{% endset %}{{ x }}{{ inner }}
{% set ns = namespace(a='') %}{% set ns.a %}text{% endset %}{{ ns.a }}
{% if true %}{% set x = 5 %}{% endif %}{{ x }}
{% macro f(a, b='B') %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}{{ f() }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(c=2) }}
{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, c=3) }}
{% macro f(a) %}{{ a is defined }}{% endmacro %}{{ f() }}
{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(3) }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}
{% set g = 'G' %}{% macro f() %}{{ g }}{{ s }}{% endmacro %}{{ f() }}{% set g = 'H' %}{{ f() }}
{% macro f() %}{% set inside = 1 %}{% endmacro %}{{ f() }}{{ inside }}
{% macro f() %} x {% endmacro %}[{{ f()|trim }}]{{ f() is string }}
{% macro f() %}{{ caller() }}!{% endmacro %}{% call f() %}hi{% endcall %}
{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) f() %}{{ a }}{{ b }}{% endcall %}
{% macro f(x) %}{{ x }}{% endmacro %}{% call f(1) %}hi{% endcall %}
{% macro outer(x) %}{% macro inner(y) %}{{ x }}{{ y }}{% endmacro %}{{ inner(2) }}{% endmacro %}{{ outer(1) }}
{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}
{% macro f(d) %}{% for k in d %}{{ k }}{% if d[k] is mapping %}({{ f(d[k]) }}){% endif %}{% endfor %}{% endmacro %}{{ f(nested) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(*[1]) }}{{ f(**{'a': 2}) }}
{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(1, a=2) }}
{{ f(1) }}{% macro f(a) %}{{ a }}{% endmacro %}
{% filter upper %}abc {{ s }}{% endfilter %}
{% filter replace('a', 'b')|upper %}aaa{% endfilter %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}
{% generation %}abc{{ i }}{% endgeneration %}d
{% for x in l %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}
{% generation %}{% set q = 1 %}{% endgeneration %}{{ q }}
{% raw %}{{ x }} {% if %}{% endraw %}|{{ i }}
{%- raw -%}  {{ x }}  {%- endraw -%} y
{# comment #}a{# {{ x }} {% if %} #}b
{% block body %}in{{ i }}{% endblock %}
{% block body %}in{% endblock body %}
{% print i %}
{{ raise_exception('stop it') }}
{% if i == 7 %}{{ raise_exception('stop ' ~ i) }}{% endif %}
{% if i == 8 %}{{ raise_exception('stop ' ~ i) }}{% endif %}ok
{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}
{% set j = joiner() %}{{ j() }}a{{ j() }}b{{ j() }}c
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}
{% set x = l|select('odd') %}{{ x|list }}{{ x|list }}
{% set x = l|map('string') %}{% if x %}yes{% endif %}{{ x|first }}{{ x|join('-') }}
{% set x = l|select('odd') %}{{ x|length }}
{% set x = l|select('odd') %}{{ 1 in x }}{{ x|list }}
{% set x = l|select('odd') %}{{ x[0] }}
{% set loop = 5 %}{{ loop }}
{{ loop }}
{% set range = 5 %}{{ range }}
{% set messages = msgs[1:] %}{{ messages|length }}
{% for m in msgs[1:] %}{{ m.role[0] }}{% endfor %}
{% for m in msgs %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}x{% endif %}{% endfor %}
{% for m in msgs %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.type }}{% endfor %}{% endif %};{% endfor %}
{% for m in msgs %}{% if m.tool_calls is defined and m.tool_calls %}{{ m.tool_calls|tojson }}{% endif %}{% endfor %}
{% for m in msgs if m.role == 'user' %}{{ loop.index }}{{ loop.last }}{% endfor %}
{% for m in msgs[::-1] %}{{ m.role }} {% endfor %}
{% for key in ['a', 'b'] if key in m and m[key] %}{{ key }}{% endfor %}
{% set d = dict(m, c=3) %}{{ d }}{{ m }}
{% set d = dict(m.items()) %}{{ d == m }}
{% set x = [] %}{% for y in l %}{% set x = x + [y] %}{% endfor %}{{ x }}
{% if s %}{% endif %}{% if %}{% endif %}
{% if s %}
{% endif %}
{% for x in l %}
{% nosuch %}
{% fore x in l %}{% endfor %}
{% set 1 = 2 %}
{% set none = 2 %}
{% set x %}
{% break %}
{{ 1 +
{{ }}
{{ 'abc }}
{{ [1, 2 }}
{{ (1 }}
{{ 1 2 }}
{{ a b }}
{{ 1 ] }}
{{ s| }}
{{ s. }}
{{ s is }}
{{ {'a'} }}
{{ $ }}
{{ ! }}
{{ f(a=1, 2) }}
{# never closed
{% raw %}never
{% for x in l %}{% endif %}{% endfor %}
{% macro f(a=1, b) %}{% endmacro %}
{% if 1 %}{% else %}{% else %}{% endif %}
{% for 1 in l %}{% endfor %}
{% set ns.a.b = 1 %}
{% for ns.x in l %}{% endfor %}
{% endif %}
{% call 5 %}{% endcall %}
plain { text } with % and # and }} and %} and #}
{ { i } }
{{'{{'}}{{ '}}' }}{{ "{% x %}" }}
{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a': {}} }}
{{i}}{{-i}}{{- i -}}{{+i}}
{%if i%}a{%endif%}
{%for x in l%}{{x}}{%endfor%}
{{ i if i is defined }}{{ i if i }}
{{ strftime_now('%%') }}
{{ [i, s, l][0] }}{{ [1,2,3][1:][0] }}
{{ 'x'.join(['a', 'b']) ~ ('c' if t else 'd') }}
{{ msgs[0]['content'] | trim + '\n' }}|
{{ (msgs|length - 1) ~ '/' ~ msgs|length }}
{{ msgs | map(attribute='role') | list | unique | list }}
{{ ((1)) }}{{ (((1, 2))) }}
{{ 5 // 2 * 2 + 5 % 2 }}"""

WHITESPACE = ["{% if i %}\nA\n{% endif %}\nB", "  {% if i %}\n  A\n  {% endif %}\n  B", "x {% if i %} A {% endif %} y",
              "{%- if i -%}\n  A  \n{%- endif -%}\n\n B", "  {{ i }}  \n  {{- i -}}  \n x", "a\n  {%+ if i %}b\n{% endif %}c",
              "a {% if i +%}\n b{% endif %}", "a\n {# c #}\n b", "a\n {#- c -#}\n b", "a {# c #} b\n", "a\n\n", "a\n\n\n", "\n", "",
              "a\r\nb\r\n{{ i }}\r\n", "a\rb", "{{ i }}\n\n{{ i }}\n", "  {% set x = 1 %}  \n{{ x }}", "{% set x = 1 %}\n\n{{ x }}",
              "\t{% if i %}\t\n\tA{% endif %}", "a\n    {%- set x = 1 %}\n    b", "a\n    {% set x = 1 -%}\n    b",
              "{% for x in l %}\n- {{ x }}\n{% endfor %}\nend", "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\nend",
              "{% for x in l %}\n{{ x }}\n{%- if not loop.last %}, {% endif %}\n{% endfor %}\n", "{{ 'a\r\nb' }}", "{{ 'a\\\nb' }}",
              "{%- raw %}\n a\n {% endraw %}\n b", " {% raw -%}\n a {%- endraw %} b", "\u00a0{%- if i %}x{% endif %}\u00a0", "{{ i -}}\u2003x",
              " \u00a0{% if i %}x{% endif %}", "{% if i %}\n\n{% endif %}x", "{% if i %}{# c #}\n{% endif %}x", "a{#+ x +#}\nb", "{{ i +}}", "{{ i }}{% if i %}\n{% endif %}\n",
              "{% if i\n %}x{% endif %}", "{{\n i\n}}", "  {%- if i %} x {%- endif %}  ", "{% if i -%} {% endif %}x", "{%-if i-%}x{%-endif-%}", "{{-i-}}",
              "{% for x in l %} {% if x == 1 %}\n {% continue %}\n {% endif %}\n {{ x }}\n{% endfor %}", " {% generation %}\n x {% endgeneration %}\n y",
              "{% macro f() %}\n  x\n{% endmacro %}\n[{{ f() }}]", "{% set x %}\n  a\n  {% endset %}\n[{{ x }}]", "{{ i }} {# a #} {# b #}\n {# c #}\nz",
              "a  {%- if i %}  b  {%- else %}  c  {%- endif %}  d", "a  {% if no -%}  b  {% else -%}  c  {% endif -%}  d"]


def split(block):
    """The templates of a block: one a line, or several with | between their tags."""
    out = []
    for line in block.split("\n"):
        start = 0
        depth = 0
        for at in range(len(line)):
            if line.startswith(("{{", "{%"), at):
                depth = 1
            elif line.startswith(("}}", "%}"), at):
                depth = 0
            elif line[at] == "|" and depth == 0 and at + 1 < len(line) and line[at + 1] == "{" and line[start:at].rstrip(".x").endswith("}"):
                out.append(line[start:at])
                start = at + 1
        out.append(line[start:])
    return out


EXPRESSIONS = list(dict.fromkeys(
    [template for block in (LITERALS, OPERATORS, ACCESS, TESTS, FILTERS, METHODS) for template in split(block)]
    + STATEMENTS.split("\n") + WHITESPACE))

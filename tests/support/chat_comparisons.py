"""Values of every type that templates compare, each with each, for tests/unit/data/chat/comparisons.json."""

OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "in", "not in"]

VALUES = [
    "nothing", "none", "true", "false", "0", "1", "-1", "2", "0.0", "1.0", "0.5",
    # Numbers that are equal only after rounding. (No infinite ones: Jinja compiles 1e400 to a name, inf.)
    "9007199254740993", "9007199254740992", "9007199254740992.0", "9223372036854775807", "9223372036854775808.0",
    "''", "'a'", "'ab'", "'b'", "'1'", "'é'", "('a'|safe)", "('<'|safe)",
    "[]", "[1]", "[1, 2]", "[true]", "[1.0, 'a']", "[[1], 2]", "[none]", "[nothing]", "['a']", "[range(2)]",
    "()", "(1,)", "(1, 2)", "('a', 1)", "('a', 1.0)", "((1,),)",
    "{}", "{'a': 1}", "{'a': 1.0}", "{'a': 2, 'b': 1}", "{'b': 1, 'a': 2}", "{1: 'a'}",
    "range(0)", "range(3, 3, 2)", "range(2)", "range(0, 2)", "range(1, 2)", "range(0, 4, 2)", "range(0, 3, 2)",
    "range(1, -1, -1)",
    "{}.keys()", "{'a': 1}.keys()", "{'a': 2}.keys()", "{'a': 1, 'b': 2}.keys()", "{'b': 1, 'a': 2}.keys()",
    "{'a': 1}.values()", "{'a': 1}.items()", "{'a': 1.0}.items()", "{'a': 1, 'b': 2}.items()",
    "{'b': 2, 'a': 1}.items()", "({'a': 1}|items)", "([1]|map('string'))",
    "range", "namespace", "namespace()", "namespace(a=1)",
]

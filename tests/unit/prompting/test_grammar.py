"""What a template may say, and what it may not: each with its line and a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.prompting.grammar import LARGEST_TEMPLATE, MOST_BLOCKS, MOST_TOKENS, read


@pytest.mark.parametrize(
    "template",
    [
        "Hello {{ name }}!",
        "{{ a.b['c'][0:2] }}{{ a if b else c }}",
        "{% if a is not none and (b in ['x', 1]) or not c %}1{% elif c is divisibleby(2) %}2{% else %}3{% endif %}",
        "{%- for key, value in pairs|items -%}{{ loop.index }}: {{ value|default('none', true)|upper }}{% endfor %}",
        "{% raw %}{% set x = 1 %}{{ a ~ b }}{% endraw %}{# {{ a ~ b }} #}",
        '{{ "~ * {% set %} }}" }}',
        "{{ names|join(', ') }}{{ thing|tojson }}",
        "{{ a - 1 }} {{ a / 2 }} {{ a % 2 }}",
        "no template at all { } % #",
    ],
)
def test_what_is_bounded_may_be_said(template: str) -> None:
    assert read(template).faults == []


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ a ~ b }}", "side by side"),
        ('{{ "}}" ~ b }}', "side by side"),
        ("{{ a * 1000000 }}", "repeat"),
        ("{{ a + a }}", "side by side"),
        ("{{ 9 ** 9 }}", "large numbers"),
        ("{{ range(9) }}", "calls something"),
        ("{{ a.upper() }}", "calls something"),
        ("{{ a['x']() }}", "calls something"),
        ("{{ ''.__class__.__mro__ }}", "inner member"),
        ("{{ a|format('x') }}", "the filter format"),
        ("{{ a |\nreplace('a', 'b') }}", "the filter replace"),
        ("{{ a is safe }}", "the test safe"),
        ("{{ a is not filter }}", "the test filter"),
        ("{{ {'a': 1} }}", "begins an object"),
        ("{{ [a, a]|tojson }}", "no variables"),
        ("{{ (a, a)|tojson }}", "list of values"),
        ("{{ a, a }}", "list of values"),
        ("{% set a = 1 %}", "{% set %} is not for templates"),
        ("{% macro f() %}{% endmacro %}", "{% macro %}"),
        ("{%- with a = b %}{% endwith %}", "{% with %}"),
        ("{% for a in b recursive %}{% endfor %}", "recursive"),
        ("{% include name %}", "one name in quotes"),
        ("{% include ['a', 'b'] %}", "one name in quotes"),
        ("{% include 'a' ignore missing %}", "one name in quotes"),
        ("{% extends 'a' %}", "{% extends %}"),
        ("{% %}", "{%  %}"),
        ("x" * (LARGEST_TEMPLATE + 1), "longer than 64 kB"),
        ("{{ " + "not " * 5000 + "a }}", "more than 200 words and signs"),
        ("{{ a" + " or a" * 5000 + " }}", "more than 200 words and signs"),
        ("{{ a[0] }}" * (MOST_BLOCKS + 1), "one too many: a template has at most 1,000"),
    ],
)
def test_what_could_grow_or_run_is_refused_with_the_reason(template: str, reason: str) -> None:
    assert reason in read(template).faults[0].reason


def test_many_short_expressions_may_be_said() -> None:
    assert read("{{ a }}" * MOST_BLOCKS + "{# {{ #}" * 7000).faults == []
    assert read("{{ a" + " or a" * (MOST_TOKENS // 2 - 1) + " }}").faults == []


def test_a_fault_has_its_line() -> None:
    assert [fault.line for fault in read("a\n{{ b ~ c }}\n\n{% set d = 1 %}").faults] == [2, 4]


def test_what_is_included_is_told() -> None:
    assert read("""{% include "tone@production" %}{%- include 'style' -%}""").includes == ["tone@production", "style"]


@given(st.text(alphabet="{}%#-+ '\"\\()[],|~*abif\n", max_size=60))
def test_nothing_raises(template: str) -> None:
    read(template)


@given(st.text(alphabet=" \"'\\{}%ab", max_size=20), st.sampled_from(["{{", "{%", "{{-"]))
def test_no_text_before_it_hides_what_is_refused(text: str, opening: str) -> None:
    """Whatever string stands before it, what comes in the same block is seen."""
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert read(f"{opening} {quoted} ~ a }}}}").faults != []

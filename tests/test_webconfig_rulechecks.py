"""Rewrite rules that cannot work, and those that only look so."""

from __future__ import annotations

import pytest

from appsvc_runtime.findings import Finding
from appsvc_runtime.webconfig import parse


def findings(rule: str) -> list[Finding]:
    """Give what is said of a file whose one rule holds `rule`."""
    text = f'<rewrite><rules><rule name="my rule">{rule}</rule></rules></rewrite>'
    text = f"<configuration><system.webServer>{text}</system.webServer></configuration>"
    return list(parse(text.encode(), "web.config").findings)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        pytest.param('<match url="(a"/>', "pattern", id="open-group"),
        pytest.param('<match url="*"/>', "pattern", id="wildcard-as-pattern"),
        pytest.param('<match url="[z-a]"/>', "pattern", id="range"),
        pytest.param(
            '<match url="a"/><conditions><add input="b" pattern=")"/></conditions>',
            "pattern",
            id="condition",
        ),
        pytest.param('<match url="' + "(" * 3000 + '"/>', "pattern", id="deep"),
        pytest.param(
            '<match url="a"/><conditions><add input="b"/></conditions>', "missing", id="no-pattern"
        ),
        pytest.param('<match url="a"/><action type="Rewrite"/>', "missing", id="no-url"),
        pytest.param('<match url="a"/><action type="CustomResponse"/>', "missing", id="no-status"),
        pytest.param('<match url="a"/><match url="b"/>', "duplicate", id="match-twice"),
    ],
)
def test_rules_that_cannot_work(rule: str, code: str) -> None:
    """Each names its rule."""
    (found,) = findings(rule)
    assert (found.code, found.where) == (code, "web.config:1")
    assert "rule" in found.message


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(r'<match url="^\/a\-b\c$"/>', id="escapes-of-another-dialect"),
        pytest.param('<match url="[[a]"/>', id="what-python-warns-of"),
        pytest.param('<match url="' + "(a" * 5000 + '"/>', id="too-long-to-try"),
        pytest.param(
            '<match url="a"/><conditions><add input="{REQUEST_FILENAME}" matchType="IsFile"/>'
            "</conditions>",
            id="file",
        ),
    ],
)
def test_rules_that_may_work(rule: str) -> None:
    """No alarm where JavaScript's dialect could differ."""
    assert findings(rule) == []

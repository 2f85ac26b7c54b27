"""JSON, SARIF 2.1.0, JUnit and GitHub's annotations: for programs.

Sources: docs.oasis-open.org/sarif/sarif/v2.1.0; the Jenkins schema of JUnit; GitHub's page on
workflow commands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import quoteattr

from ... import __version__
from ..check import Found
from ..report import Report
from ..selection import fingerprint

__all__ = ["SCHEMA_VERSION", "github", "json_report", "junit", "sarif"]

SCHEMA_VERSION = 1
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "note": "note"}
_ANNOTATIONS = {"error": "error", "warning": "warning", "note": "notice"}
# What XML 1.0 cannot have, and a JSON reader may refuse: a file's name that is not UTF-8.
_KEPT = "\t\n"


def json_report(report: Report) -> str:
    """Return the report as JSON; `version` changes if a name in it does."""
    value = {
        "version": SCHEMA_VERSION,
        "tool": {"name": "appsvc doctor", "version": __version__},
        "site": report.site,
        "hosts": sorted(report.hosts),
        "counts": {word: report.count(word) for word in _LEVELS},
        "findings": [
            {
                "id": check.id, "title": check.title, "severity": check.severity,
                "file": found.file or None, "line": found.line or None, "message": found.message,
                "evidence": found.evidence or None, "fix": found.fix or None,
                "fingerprint": fingerprint(check, found),
            }
            for check, found in report.findings()
        ],
        "checks": [
            {
                "id": one.check.id, "found": len(one.found),
                "skipped": one.skipped or None,
            }
            for one in report.results
        ],
    }  # fmt: skip
    return json.dumps(value, indent=2)


def sarif(report: Report) -> str:
    """Return the report as a SARIF log."""
    used = list(dict.fromkeys(check for check, _ in report.findings()))
    rules = [
        {
            "id": check.id,
            "shortDescription": {"text": check.title},
            "fullDescription": {"text": check.explanation},
            "defaultConfiguration": {"level": _LEVELS[check.severity]},
        }
        for check in used
    ]
    run = {
        "tool": {"driver": {"name": "appsvc doctor", "version": __version__, "rules": rules}},
        "results": [
            {
                "ruleId": check.id,
                "ruleIndex": used.index(check),
                "level": _LEVELS[check.severity],
                "message": {"text": " ".join(filter(None, (found.message, found.fix)))},
                "partialFingerprints": {"appsvc/v1": fingerprint(check, found)},
                "locations": [_location(found)],
            }
            for check, found in report.findings()
        ],
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _location(found: Found) -> dict[str, Any]:
    # GitHub shows no result without a file: the site's own is its folder.
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(found.file or ".")}}
    if found.line:
        physical["region"] = {"startLine": found.line}
    return {"physicalLocation": physical}


def _uri(name: str) -> str:
    from urllib.parse import quote

    return quote(name.encode("utf-8", "surrogateescape"))


def junit(report: Report) -> str:
    """Return the report as JUnit's XML: a test case for each check."""
    skipped = sum(1 for one in report.results if one.skipped)
    failed = sum(1 for one in report.results if one.found)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="appsvc doctor" tests="{len(report.results)}" failures="{failed}" '
        f'errors="0" skipped="{skipped}">',
    ]
    for one in report.results:
        name = _attribute(f"{one.check.id} {one.check.title}")
        lines.append(f'  <testcase classname="appsvc.doctor.{one.check.group}" name={name}>')
        for found in one.found:
            text = " ".join(filter(None, (found.place, found.message, found.fix)))
            lines.append(
                f"    <failure type={_attribute(one.check.severity)} message={_attribute(text)}/>"
            )
        if one.skipped and not one.found:
            lines.append(f"    <skipped message={_attribute(one.skipped)}/>")
        lines.append("  </testcase>")
    lines.append("</testsuite>")
    return "\n".join(lines)


def github(report: Report) -> Iterator[str]:
    """Yield a workflow command for each finding."""
    for check, found in report.findings():
        place = ""
        if found.file:
            place = f",file={_property(found.file)}" + (f",line={found.line}" if found.line else "")
        text = " ".join(filter(None, (found.message, found.fix)))
        title = _property(f"{check.id} {check.title}")
        yield f"::{_ANNOTATIONS[check.severity]} title={title}{place}::{_escape(text)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _attribute(text: str) -> str:
    """Return a text in quotes, with what XML cannot hold written as an escape."""
    kept = "".join(c if c.isprintable() or c in _KEPT else ascii(c)[1:-1] for c in text)
    return quoteattr(kept)

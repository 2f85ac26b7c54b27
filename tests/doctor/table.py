"""The table of docs/reference/checks.md: ``python -m tests.doctor.table`` writes it."""

from __future__ import annotations

from appsvc_runtime.doctor.table import all_checks
from tests.support.servers import ROOT

PAGE = ROOT / "docs" / "reference" / "checks.md"
BEGIN, END = "<!-- tests/doctor/table.py writes this table; a test compares -->\n", "<!-- end -->\n"


def render() -> str:
    """Return the table as Markdown."""
    lines = ["| Id | Finding | Level | Host | Looks at | Source |", "|---|---|---|---|---|---|"]
    for one in all_checks():
        looks = ", ".join(one.looks_at)
        lines.append(
            f"| `{one.id}` | {one.title} | {one.severity} | {one.host} | {looks} | {one.source} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table into the page."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{render()}{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()

"""Looks at a site before the platform does: a table of checks, and how their findings are shown."""

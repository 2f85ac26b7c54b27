"""Tests on python.org's own Windows Python, which Wine runs; they are driven from Linux."""

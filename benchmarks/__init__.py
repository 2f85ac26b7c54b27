"""Benchmarks: each measures all sides in one run and prints the ratio. Never part of the tests."""

"""Benchmarks: each runs every side in one run and prints the ratio. Never part of the tests."""

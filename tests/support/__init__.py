"""Helpers that the tests share, among them the parts of the platform that tests simulate."""

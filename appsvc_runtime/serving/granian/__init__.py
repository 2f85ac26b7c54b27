"""Serving with granian."""

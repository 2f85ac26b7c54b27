"""Loads an app object by its name."""

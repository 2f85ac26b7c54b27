"""Declares the dependencies."""

from setuptools import setup

setup(name="setup-app-of-a-test", version="1", py_modules=["own_module"])

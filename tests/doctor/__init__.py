"""Tests of `appsvc doctor`."""

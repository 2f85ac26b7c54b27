"""Serving with uvicorn."""

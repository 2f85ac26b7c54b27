"""The emulator: plays the platform on a laptop, on a project's own files.

A tool: the web process never loads it. It plays the other side, so that nothing in here may import
the middleware or the rooms it decides with.
"""

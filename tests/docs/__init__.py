"""The documentation is true: its tables, its commands, outputs, words and links."""

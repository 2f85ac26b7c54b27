"""The documentation is correct: its tables, its commands, outputs, words and links."""

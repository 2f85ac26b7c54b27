"""XML as a tree with line numbers, for web.config and .csdef files."""

"""Connection strings: text in, parts out, URLs and DSNs out. Pure."""

"""Parse connection strings into parts, and write them as URLs and DSNs. Pure."""

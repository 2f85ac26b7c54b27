"""Starts a server by its options: the table of servers, the order of a start."""

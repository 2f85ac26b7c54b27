"""From options to a running server: the table of servers, the order of a start."""

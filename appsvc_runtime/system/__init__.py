"""The operating system: signals, sockets, locks, process trees; the console. Only here."""

"""Azure's names, and the detection of the host. Pure."""

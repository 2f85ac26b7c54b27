"""The Linux container."""

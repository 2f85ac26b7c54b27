"""The command that the Linux container runs for a site's folder (Oryx)."""

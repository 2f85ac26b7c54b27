"""What the Linux container would run for a folder (Oryx)."""

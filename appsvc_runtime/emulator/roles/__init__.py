"""Worker roles of a Cloud Service."""

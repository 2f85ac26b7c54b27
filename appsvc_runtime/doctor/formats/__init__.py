"""What `appsvc doctor` prints, a file for each form."""

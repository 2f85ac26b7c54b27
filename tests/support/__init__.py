"""What the tests share: the parts of the platform that they play themselves."""

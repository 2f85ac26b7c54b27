"""Reads input in collectstatic, where no user can type."""

import sys

if input(f"Really {' '.join(sys.argv[1:])}? ") != "yes":
    sys.exit("then not")

"""Asks for input in collectstatic, where nobody answers."""

import sys

if input(f"Really {' '.join(sys.argv[1:])}? ") != "yes":
    sys.exit("then not")

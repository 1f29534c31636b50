"""`python -m coir` is `coir`."""

from coir.cli import main

main()

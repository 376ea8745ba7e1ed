"""``python -m finops`` is ``finops``."""

from finops.cli import main

main()

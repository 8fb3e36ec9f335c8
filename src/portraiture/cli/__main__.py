"""``python -m portraiture.cli``."""

from portraiture.cli import main

main()

"""``python -m rubincwl`` is the command line."""

from rubincwl.cli import main

main()

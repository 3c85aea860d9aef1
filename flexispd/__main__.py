"""`python -m flexispd` is `flexispd`."""

from flexispd.cli.main import main

main()

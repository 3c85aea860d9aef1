"""
`flexispd` and `python -m flexispd`.

Nothing is imported before `main` runs, so that Ctrl-C ends the command in the same way from its first moment.
"""


def main() -> None:
    """Run the command line."""
    try:
        from flexispd.cli.main import main as command
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    command()


if __name__ == "__main__":
    main()

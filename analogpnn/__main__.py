"""``python -m analogpnn``, and the command ``analogpnn``."""

import sys


def start() -> None:
    """The command line; Ctrl-C has no traceback while Python still reads the package either."""
    try:
        from analogpnn.cli.main import main
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    main()


if __name__ == "__main__":
    start()

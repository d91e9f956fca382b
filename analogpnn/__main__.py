"""``python -m analogpnn`` is the command line."""

from analogpnn.cli.main import main

if __name__ == "__main__":
    main()

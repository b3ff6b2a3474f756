"""``python -m consilience`` and the ``consilience`` command."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from consilience.cli import run_command_line

    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()

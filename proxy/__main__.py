"""``python -m proxy`` and the installed command ``dashcam``: hands over to the command line."""

from __future__ import annotations


def main() -> None:
    """Run the command line; imports stay inside so that ``--help`` is quick."""
    from proxy.cli.app import run_main

    run_main()


if __name__ == "__main__":
    main()

"""``python -m proxy`` and the installed command ``dashcam``: hands over to the command line."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line; imports stay inside so that ``--help`` is quick."""
    # What is imported lives to the end. To look through it again and again, and once more when Python ends, is a third
    # of what a small command takes.
    gc.set_threshold(300_000, 50, 100)
    from proxy.cli.app import run_main

    try:
        run_main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()

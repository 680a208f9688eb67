"""``python -m unigurd_sdk.cli`` is the command `unigurd`."""

from __future__ import annotations

from unigurd_sdk.cli import main

if __name__ == "__main__":
    main()

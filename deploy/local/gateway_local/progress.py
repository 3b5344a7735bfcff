"""What a person sees while things are set up: one line a step."""

import sys


def tell(text: str) -> None:
    sys.stdout.write(f"  {text}\n")
    sys.stdout.flush()

"""What a user's text says that a made-up JSON value may use: its numbers, and what it puts in quotes."""

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")
_QUOTED = re.compile(r"'([^'\n]{1,200})'(?!\w)|\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|`([^`\n]{1,200})`")


@dataclass(frozen=True, slots=True)
class Hints:
    numbers: tuple[float, ...] = ()
    quoted: tuple[str, ...] = ()


def hints_in(text: str) -> Hints:
    numbers = tuple(float(number) for number in _NUMBER.findall(text))
    quoted = tuple(next(group for group in groups if group) for groups in _QUOTED.findall(text))
    return Hints(numbers=numbers, quoted=quoted)

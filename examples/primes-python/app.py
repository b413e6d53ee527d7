"""The class `primes` in Python: what `build` stores in the module, every instance starts with."""

import sys
from pathlib import Path

from componentize_py_types import Err
from wit_world import exports

LIMIT = 5_000_000

# Written by `build`, and read by every instance.
NOTE = Path("/image/note.txt")

table: bytearray
left = ""


class Primes(exports.Primes):
    def build(self) -> None:
        global table
        print(f"looking for primes below {LIMIT}", flush=True)
        table = sieve()
        found = sum(table)
        print(f"found {found}", file=sys.stderr, flush=True)
        NOTE.write_text(f"{found} primes below {LIMIT}")

    def enter(self, name: str) -> None:
        global left
        left = NOTE.read_text()
        print(f"{name} knows {left}", flush=True)

    def is_prime(self, number: int) -> bool:
        if number >= LIMIT:
            raise Err(f"{number} is not below {LIMIT}")
        return table[number] == 1

    def note(self) -> str:
        return left


def sieve() -> bytearray:
    """For each number whether it is prime: what is a multiple of a smaller one is struck out."""
    numbers = bytearray([1]) * LIMIT
    numbers[:2] = b"\0\0"
    for number in range(2, int(LIMIT**0.5) + 1):
        if numbers[number]:
            numbers[number * number :: number] = bytes(len(range(number * number, LIMIT, number)))
    return numbers

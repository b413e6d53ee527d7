"""The guest `clones` in Python: what `build` made, read, wrote, printed and drew is there, or fresh, in each instance."""

import os
import random
import secrets
import sys
import time
import uuid
from pathlib import Path

from wit_world import exports
from wit_world.exports.witness import Drawn, Found
from wit_world.imports import insecure, insecure_seed
from wit_world.imports import random as wasi_random

TABLE_BYTES = 1 << 20
IMAGE = Path("/image/t.bin")
# What the clock shows at least when `build` reads it: far more than that of a fresh instance shows in `enter`.
LEAST_CLOCK = 1_000_000_000

builds = 0
table = b""
greeting = ""
built_at = 0
# A generator of the program's own, seeded when `build` made it.
generator: random.Random
drawn: list[Drawn]
found: Found


class Witness(exports.Witness):
    def build(self) -> None:
        global builds, table, greeting, built_at, generator, drawn
        print("building", flush=True)
        print("building, told as an error", file=sys.stderr, flush=True)
        image = bytes(range(256))
        IMAGE.write_bytes(image)
        assert IMAGE.read_bytes() == image
        generator = random.Random()
        drawn = self.draw()
        self.draw_again()
        builds += 1
        table = right_table()
        greeting = os.environ["GREETING"]
        while (built_at := time.monotonic_ns()) < LEAST_CLOCK:
            pass

    def enter(self, name: str) -> None:
        global found
        print(f"{name} entered", flush=True)
        print(f"{name} entered, told as an error", file=sys.stderr, flush=True)
        entered_at = time.monotonic_ns()
        note = Path(os.environ["NOTES"]) / f"{name}.txt"
        note.write_text(f"a note of {name}")
        found = Found(
            builds=builds,
            table_bytes=right_bytes(),
            image=IMAGE.read_bytes(),
            greeting=greeting,
            built_at=built_at,
            entered_at=entered_at,
            note=note.read_text(),
        )

    def look(self) -> Found:
        return found

    def draw(self) -> list[Drawn]:
        low, high = insecure_seed.insecure_seed()
        return [
            Drawn("get-random-bytes", wasi_random.get_random_bytes(16)),
            Drawn("get-random-u64", two(wasi_random.get_random_u64)),
            Drawn("get-insecure-random-bytes", insecure.get_insecure_random_bytes(16)),
            Drawn("get-insecure-random-u64", two(insecure.get_insecure_random_u64)),
            Drawn("insecure-seed", low.to_bytes(8) + high.to_bytes(8)),
            Drawn("os.urandom", os.urandom(16)),
            Drawn("secrets", secrets.token_bytes(16)),
            Drawn("uuid4", uuid.uuid4().bytes),
            Drawn("SystemRandom", random.SystemRandom().randbytes(16)),
            Drawn("a new Random", random.Random().randbytes(16)),
        ]

    def drawn_in_build(self) -> list[Drawn]:
        return drawn

    def draw_again(self) -> list[Drawn]:
        return [
            Drawn("random", random.randbytes(16)),
            Drawn("Random of build", generator.randbytes(16)),
            Drawn("hash", (hash("a text") % (1 << 64)).to_bytes(8) + (hash("another") % (1 << 64)).to_bytes(8)),
        ]


def right_table() -> bytes:
    return bytes((place * 7 + place // 256) % 256 for place in range(1 << 16)) * (TABLE_BYTES >> 16)


def right_bytes() -> int:
    right = right_table()
    return len(right) if table == right else next(place for place in range(TABLE_BYTES) if table[place] != right[place])


def two(draw) -> bytes:
    return draw().to_bytes(8) + draw().to_bytes(8)

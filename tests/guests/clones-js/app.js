// The guest `clones` in JavaScript: what `build` made, read, wrote, printed and drew is there, or fresh, in each instance.
//
// The runtime has no files and no environment of its own: both are imports of WASI.

import { getEnvironment } from "wasi:cli/environment@0.2.0";
import { now } from "wasi:clocks/monotonic-clock@0.2.0";
import { getDirectories } from "wasi:filesystem/preopens@0.2.0";
import { getInsecureRandomBytes, getInsecureRandomU64 } from "wasi:random/insecure@0.2.0";
import { insecureSeed } from "wasi:random/insecure-seed@0.2.0";
import { getRandomBytes, getRandomU64 } from "wasi:random/random@0.2.0";

const TABLE_BYTES = 1 << 20;
const IMAGE = "/image/t.bin";
// What the clock shows at least when `build` reads it: far more than that of a fresh instance shows in `enter`.
const LEAST_CLOCK = 1_000_000_000n;

let builds = 0;
let table;
let greeting;
let builtAt;
let drawn;
let found;

export const witness = {
  build: () => told(build),
  enter: (name) => told(() => enter(name)),
  look: () => found,
  draw,
  drawnInBuild: () => drawn,
  // Nothing goes on from where `build` left it: `Math.random` is fresh, too.
  drawAgain: () => [],
};

function build() {
  console.log("building");
  console.error("building, told as an error");
  const image = Uint8Array.from({ length: 256 }, (_, place) => place);
  write(IMAGE, image);
  if (read(IMAGE).some((byte, place) => byte !== image[place])) throw `${IMAGE} has other bytes than were written`;
  drawn = draw();
  builds += 1;
  table = rightTable();
  greeting = variable("GREETING");
  do {
    builtAt = now();
  } while (builtAt < LEAST_CLOCK);
}

function enter(name) {
  console.log(`${name} entered`);
  console.error(`${name} entered, told as an error`);
  const enteredAt = now();
  const note = `${variable("NOTES")}/${name}.txt`;
  write(note, new TextEncoder().encode(`a note of ${name}`));
  found = {
    builds,
    tableBytes: BigInt(rightBytes()),
    image: read(IMAGE),
    greeting,
    builtAt,
    enteredAt,
    note: new TextDecoder().decode(read(note)),
  };
}

function draw() {
  return [
    { source: "get-random-bytes", bytes: getRandomBytes(16n) },
    { source: "get-random-u64", bytes: bytesOf([getRandomU64(), getRandomU64()]) },
    { source: "get-insecure-random-bytes", bytes: getInsecureRandomBytes(16n) },
    { source: "get-insecure-random-u64", bytes: bytesOf([getInsecureRandomU64(), getInsecureRandomU64()]) },
    { source: "insecure-seed", bytes: bytesOf(insecureSeed()) },
    { source: "getRandomValues", bytes: crypto.getRandomValues(new Uint8Array(16)) },
    { source: "randomUUID", bytes: new TextEncoder().encode(crypto.randomUUID()) },
    { source: "Math.random", bytes: new Uint8Array(Float64Array.of(Math.random(), Math.random()).buffer) },
  ];
}

// Only a string can be the error of an export; what WASI throws has one as its payload.
function told(work) {
  try {
    work();
  } catch (error) {
    throw error.payload ?? String(error);
  }
}

// Characters of ASCII, over and over.
function rightTable() {
  const table = new Uint8Array(TABLE_BYTES);
  for (let place = 0; place < 4096; place += 1) table[place] = (place * 7 + (place >> 6)) % 128;
  for (let place = 4096; place < TABLE_BYTES; place += 4096) table.copyWithin(place, 0, 4096);
  return table;
}

// Compared as texts, because the engine interprets what goes byte by byte.
function rightBytes() {
  const right = rightTable();
  const text = (bytes) => new TextDecoder().decode(bytes);
  if (text(table) === text(right)) return TABLE_BYTES;
  return table.findIndex((byte, place) => byte !== right[place]);
}

function bytesOf(numbers) {
  return new Uint8Array(BigUint64Array.from(numbers).buffer);
}

function variable(name) {
  return getEnvironment().find(([known]) => known === name)?.[1] ?? "";
}

// Opens a file below a directory that the host gave, does something with it, and closes both.
function withFile(path, open, flags, work) {
  const directories = getDirectories();
  try {
    const [directory, root] = directories.find(([, root]) => path.startsWith(`${root}/`));
    const file = directory.openAt({}, path.slice(root.length + 1), open, flags);
    try {
      return work(file);
    } finally {
      file[Symbol.dispose]();
    }
  } finally {
    directories.forEach(([directory]) => directory[Symbol.dispose]());
  }
}

function write(path, bytes) {
  withFile(path, { create: true, truncate: true }, { write: true }, (file) => {
    for (let written = 0; written < bytes.length; ) {
      written += Number(file.write(bytes.subarray(written), BigInt(written)));
    }
  });
}

function read(path) {
  return withFile(path, {}, { read: true }, (file) => {
    const [bytes] = file.read(1n << 20n, 0n);
    return bytes;
  });
}

// The class `primes` in JavaScript: what `build` stores in the module, every instance starts with.
//
// The runtime has no files of its own; the note that the other languages leave below `/image` stays in memory here.

const LIMIT = 5_000_000;

let table;
let left;

export const primes = {
  build() {
    console.log(`looking for primes below ${LIMIT}`);
    table = sieve();
    const found = table.reduce((sum, isPrime) => sum + isPrime, 0);
    console.error(`found ${found}`);
    left = `${found} primes below ${LIMIT}`;
  },

  enter(name) {
    console.log(`${name} knows ${left}`);
  },

  isPrime(number) {
    if (number >= LIMIT) throw `${number} is not below ${LIMIT}`;
    return table[number] === 1;
  },

  note() {
    return left;
  },
};

// For each number whether it is prime: what is a multiple of a smaller one is struck out.
function sieve() {
  const numbers = new Uint8Array(LIMIT).fill(1);
  numbers.fill(0, 0, 2);
  for (let number = 2; number * number < LIMIT; number += 1) {
    if (numbers[number]) {
      for (let multiple = number * number; multiple < LIMIT; multiple += number) numbers[multiple] = 0;
    }
  }
  return numbers;
}

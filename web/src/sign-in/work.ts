// The work that the gate may ask of a sign-up: a nonce such that the first eight bytes of the SHA-256 of
// CHALLENGE:EFFORT:NONCE are, as a number, at most 2^64 / EFFORT. SHA-256 is written out here: a browser's own gives
// each hash by a promise, which takes longer than the hash. The search gives the page its turn again and again.
// Without this script the form carries a ticket that is good after a wait.

/** What the door asks for now; nothing where it asks for nothing. */
interface Asked {
  challenge?: string;
  effort?: number;
}

/** Milliseconds of search until the page has its turn. */
const TURN_MS = 20;
/** Nonces between two looks at the clock. */
const NONCES = 256;
/** The longest text that fits into one block of SHA-256, in bytes. */
const TEXT_BYTES_MAX = 55;
const WILL_WORK = 'Your browser will work for a few seconds when you send this.';
const WORKING = 'Your browser is working for your place. This takes a few seconds.';

/** The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3). */
function constants(): { start: Int32Array; round: Int32Array } {
  const start = new Int32Array(8);
  const round = new Int32Array(64);
  const bits = (root: number) => (root % 1) * 2 ** 32;
  for (let number = 2, at = 0; at < 64; number += 1) {
    let divisor = 2;
    while (number % divisor !== 0) divisor += 1;
    if (divisor < number) continue;
    if (at < 8) start[at] = bits(Math.sqrt(number));
    round[at] = bits(Math.cbrt(number));
    at += 1;
  }
  return { start, round };
}

const { start, round } = constants();
const words = new Int32Array(64);
const state = new Int32Array(8);

const turned = (word: number, by: number) => (word >>> by) | (word << (32 - by));

/** The first eight bytes of the SHA-256 of `text`, ASCII of one block, into the first two words of `state`. */
function hash(text: string): void {
  const at = (array: Int32Array, index: number) => array[index] as number;
  words.fill(0, 0, 16);
  const put = (index: number, byte: number) => (words[index >> 2] = at(words, index >> 2) | (byte << (24 - 8 * (index & 3))));
  for (let index = 0; index < text.length; index += 1) put(index, text.charCodeAt(index));
  put(text.length, 0x80);
  words[15] = text.length * 8;
  for (let i = 16; i < 64; i += 1) {
    const [early, late] = [at(words, i - 15), at(words, i - 2)];
    const first = turned(early, 7) ^ turned(early, 18) ^ (early >>> 3);
    const second = turned(late, 17) ^ turned(late, 19) ^ (late >>> 10);
    words[i] = at(words, i - 16) + first + at(words, i - 7) + second;
  }
  let [a, b, c, d] = [at(start, 0), at(start, 1), at(start, 2), at(start, 3)];
  let [e, f, g, h] = [at(start, 4), at(start, 5), at(start, 6), at(start, 7)];
  for (let i = 0; i < 64; i += 1) {
    const mixed = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const one = h + mixed + ((e & f) ^ (~e & g)) + at(round, i) + at(words, i);
    const two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  state[0] = at(start, 0) + a;
  state[1] = at(start, 1) + b;
}

/** A bid that is worth `effort`. */
async function search(challenge: string, effort: number): Promise<string> {
  const most = (2n ** 64n - 1n) / BigInt(effort);
  const [high, low] = [Number(most >> 32n), Number(most & 0xffff_ffffn)];
  // Neighbours have the same challenge, and a bid is good once: each begins somewhere else.
  const [begin] = crypto.getRandomValues(new Uint32Array(1));
  for (let nonce = begin as number, until = performance.now() + TURN_MS; ; ) {
    for (const next = nonce + NONCES; nonce < next; nonce += 1) {
      const bid = `${challenge}:${effort}:${nonce}`;
      if (bid.length > TEXT_BYTES_MAX) throw new Error('a challenge of more than one block');
      hash(bid);
      const [first, second] = [(state[0] as number) >>> 0, (state[1] as number) >>> 0];
      if (first < high || (first === high && second <= low)) return bid;
    }
    if (performance.now() < until) continue;
    await new Promise((turn) => setTimeout(turn));
    until = performance.now() + TURN_MS;
  }
}

/** The bid for the sign-up page, where the gate asks for one now; else what the form has. */
export async function worked(): Promise<string | undefined> {
  const form = document.querySelector<HTMLFormElement>('form[data-work]');
  const field = document.querySelector<HTMLInputElement>('#work');
  if (!form || !field) return undefined;
  try {
    const answer = await fetch(form.dataset.work ?? '', { headers: { accept: 'application/json' } });
    const { challenge, effort }: Asked = answer.ok ? await answer.json() : {};
    if (challenge && effort) {
      say(form, WORKING);
      status(form)?.scrollIntoView({ block: 'nearest' });
      field.value = await search(challenge, effort);
    }
  } catch {
    // The form goes with what it has: the door says what is missing.
  } finally {
    say(form, '');
  }
  return field.value;
}

const status = (form: HTMLFormElement) => form.querySelector<HTMLElement>('[data-work-status]');

function say(form: HTMLFormElement, text: string): void {
  const place = status(form);
  if (!place) return;
  place.textContent = text;
  place.hidden = text === '';
}

/** Does the work when the form of the sign-up page is sent. */
export function openForm(): void {
  const form = document.querySelector<HTMLFormElement>('form[data-work]');
  const button = form?.querySelector<HTMLButtonElement>('button');
  if (!form || !button) return;
  // In place of what the page says to browsers without script.
  if (!status(form)?.hidden) say(form, WILL_WORK);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    void worked().then(() => {
      form.submit();
      // The page may be come back to.
      button.disabled = false;
    });
  });
}

// Passkeys on the server's own pages: a challenge from the door, the device's answer back to it.
// A page marks its place with data-passkey; without script or passkeys that place stays hidden and
// the page's form works as ever.
import { worked } from './work';

/** What a page wants of a passkey: to be signed in, a fresh proof, a new one. */
type Wish = 'sign-in' | 'confirm' | 'add' | 'sign-up';

interface Challenge {
  publicKey: object;
  ticket: string;
}

/** Words for what a browser calls by a name of its own. */
const WORDS: Record<string, string> = {
  NotAllowedError: 'Nothing was done: it was cancelled, took too long, or there is no passkey for this service here.',
  InvalidStateError: 'This device has a passkey for this account already.',
  SecurityError: 'Browsers allow passkeys only under the name of this service, or on localhost.',
};

/** Milliseconds after which a challenge that waits for a choice is replaced: the door's own are good for 300 s. */
const CHALLENGE_MS = 240_000;

class Told extends Error {}

async function ask<T>(path: string, body: object): Promise<T> {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  });
  const said: unknown = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const words = (said as { error?: unknown }).error;
    throw new Told(typeof words === 'string' ? words : 'This did not work. Open the page anew and try again.');
  }
  return said as T;
}

/** The value of the field that `selector` names. */
function field(selector: string | undefined): HTMLInputElement | null {
  return selector ? document.querySelector<HTMLInputElement>(selector) : null;
}

class Place {
  private readonly wish: Wish;
  private readonly button: HTMLButtonElement | null;
  private readonly error: HTMLElement | null;
  private waiting: AbortController | null = null;

  constructor(private readonly place: HTMLElement) {
    this.wish = place.dataset.passkey as Wish;
    this.button = place.querySelector('[data-passkey-button]');
    this.error = place.querySelector('[data-passkey-error]');
  }

  open(): void {
    this.place.hidden = false;
    this.button?.addEventListener('click', () => void this.pressed());
    if (this.wish === 'sign-in') void this.offer();
  }

  private async pressed(): Promise<void> {
    this.waiting?.abort();
    this.say('');
    const email = field(this.place.dataset.email);
    if (email && !email.reportValidity()) return;
    if (this.button) this.button.disabled = true;
    try {
      await this.run({});
    } catch (error) {
      this.say(words(error));
    } finally {
      if (this.button) this.button.disabled = false;
    }
  }

  /** Offers passkeys where the browser lists what it could fill in. */
  private async offer(): Promise<void> {
    const can = await PublicKeyCredential.isConditionalMediationAvailable?.().catch(() => false);
    if (!can) return;
    const waiting = new AbortController();
    this.waiting = waiting;
    const again = setTimeout(() => {
      waiting.abort();
      void this.offer();
    }, CHALLENGE_MS);
    try {
      await this.run({ mediation: 'conditional', signal: waiting.signal });
    } catch (error) {
      // Nobody asked for anything yet: only what the door itself says is told.
      if (error instanceof Told) this.say(error.message);
    } finally {
      clearTimeout(again);
    }
  }

  private async run(how: { mediation?: CredentialMediationRequirement; signal?: AbortSignal }): Promise<void> {
    const { begin, finish, next, email, label } = this.place.dataset;
    const about = email ? { email: field(email)?.value ?? '', invite: field('#invite')?.value } : {};
    const challenge = await ask<Challenge>(begin ?? '', about);
    const made = this.wish === 'add' || this.wish === 'sign-up';
    const credential = made ? await create(challenge) : await get(challenge, how);
    const work = this.wish === 'sign-up' ? await worked() : undefined;
    const told = { ticket: challenge.ticket, credential, next, label: field(label)?.value, work };
    const done = await ask<{ next: string }>(finish ?? '', told);
    // Only ever a path of this service.
    location.assign(done.next.startsWith('/') && !done.next.startsWith('//') ? done.next : '/');
  }

  private say(text: string): void {
    if (!this.error) return;
    this.error.textContent = text;
    this.error.hidden = text === '';
  }
}

async function get(
  challenge: Challenge,
  how: { mediation?: CredentialMediationRequirement; signal?: AbortSignal },
): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    challenge.publicKey as PublicKeyCredentialRequestOptionsJSON,
  );
  const credential = await navigator.credentials.get({ publicKey, ...how });
  return (credential as PublicKeyCredential).toJSON();
}

async function create(challenge: Challenge): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    challenge.publicKey as PublicKeyCredentialCreationOptionsJSON,
  );
  const credential = await navigator.credentials.create({ publicKey });
  return (credential as PublicKeyCredential).toJSON();
}

function words(error: unknown): string {
  if (error instanceof Told) return error.message;
  const name = error instanceof Error ? error.name : '';
  return WORDS[name] ?? 'The browser could not use a passkey.';
}

/** Whether this browser has passkeys, and reads and writes them as JSON. */
function canPasskeys(): boolean {
  return (
    typeof PublicKeyCredential === 'function' &&
    'parseRequestOptionsFromJSON' in PublicKeyCredential &&
    'parseCreationOptionsFromJSON' in PublicKeyCredential
  );
}

/** Opens every place for passkeys on the page. */
export function openPlaces(): void {
  if (!canPasskeys()) return;
  document.querySelectorAll<HTMLElement>('[data-passkey]').forEach((place) => new Place(place).open());
}

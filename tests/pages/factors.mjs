// What people prove themselves with: a device that holds passkeys (the browser's own virtual one), and an
// authenticator app (RFC 6238).
import { createHmac } from 'node:crypto';

const STEP_S = 30;

/** A device in a page: it makes and uses passkeys, and says yes by itself unless it is told otherwise. */
export class Device {
  static async beside(page) {
    const line = await page.context().newCDPSession(page);
    await line.send('WebAuthn.enable', { enableUI: false });
    const options = { protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true };
    const { authenticatorId } = await line.send('WebAuthn.addVirtualAuthenticator', { options: { ...options, automaticPresenceSimulation: true } });
    return new Device(line, authenticatorId);
  }

  constructor(line, id) {
    Object.assign(this, { line, authenticatorId: id });
  }

  #send(method, more = {}) {
    return this.line.send(`WebAuthn.${method}`, { authenticatorId: this.authenticatorId, ...more });
  }

  /** Whether somebody is there who touches it when it asks. */
  isTouched(enabled) {
    return this.#send('setAutomaticPresenceSimulation', { enabled });
  }

  /** Whether the PIN, finger or face that it asks for is right. */
  knowsItsOwner(isUserVerified) {
    return this.#send('setUserVerified', { isUserVerified });
  }

  async passkeys() {
    return (await this.#send('getCredentials')).credentials;
  }

  forget() {
    return this.#send('clearCredentials');
  }

  remember(credential) {
    return this.#send('addCredential', { credential });
  }

  /** Takes it out of the page: another can be put in its place. */
  async leave() {
    await this.#send('removeVirtualAuthenticator');
    await this.line.detach();
  }
}

/** The app's code now, or `steps` later. `secret` is base32, as the page shows it. */
export function appCode(secret, steps = 0) {
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / STEP_S) + steps));
  const digest = createHmac('sha1', key).update(counter).digest();
  const at = digest[19] & 15;
  return String((digest.readUInt32BE(at) & 0x7fff_ffff) % 1_000_000).padStart(6, '0');
}

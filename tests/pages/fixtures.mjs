// What every test gets: a door, a stage before it, and a page whose every misstep fails the test.
import { mkdirSync } from 'node:fs';
import { test as base, expect } from '@playwright/test';
import { startDoor } from './door.mjs';
import { Stage } from './stage.mjs';

export { expect };

export const test = base.extend({
  door: [
    async ({}, use) => {
      const door = await startDoor();
      await use(door);
      door.stop();
    },
    { scope: 'worker' },
  ],

  stage: async ({ door }, use) => {
    const stage = new Stage(door.public);
    stage.url = await stage.start();
    await use(stage);
    stage.stop();
    expect(stage.reports, 'reports of broken policies').toEqual([]);
  },

  page: async ({ page }, use) => {
    const faults = watch(page);
    await use(page);
    expect(faults, 'errors and requests that a page must not make').toEqual([]);
  },
});

/** Collects what a page must never do: throw, break its policy, or ask another host for anything. */
export function watch(page) {
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML|TrustedScript/.test(message.text())) faults.push(message.text());
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    const isOwn = protocol === 'blob:' || hostname === 'localhost' || hostname === '127.0.0.1';
    if (!isOwn) faults.push(`request to ${request.url()}`);
  });
  void page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`Content Security Policy broken: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  return faults;
}

/** A picture for whoever looks through target/pages. */
export async function picture(page, name) {
  const folder = process.env.PAGES_OUT ?? 'out';
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

/** Writes a question and sends it. */
export async function ask(page, text) {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.keyboard.press('Enter');
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

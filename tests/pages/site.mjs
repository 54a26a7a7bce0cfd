// A real door with a model-server double behind it, and accounts made as people make them.
import { execFileSync } from 'node:child_process';
import { test as base } from '@playwright/test';
import { startDoor, startDouble } from './door.mjs';
import { expect, watch } from './fixtures.mjs';

export const PASSWORD = 'a sentence that nobody else has';

export const test = base.extend({
  /** What the door is told beside its upstream: a spec puts its own here. */
  config: ['', { scope: 'worker', option: true }],
  /** The same of its section [listen]. */
  listen: ['', { scope: 'worker', option: true }],

  site: [
    async ({ config, listen }, use) => {
      const double = await startDouble('rate=50', 'slots=4');
      const upstream = `[accounts]\nanonymous = true\n[[upstream]]\nname = "local"\nurl = "${double.url}/v1"\nmodels = ["double"]\n`;
      const door = await startDoor(listen + upstream + config);
      // Browsers refuse passkeys and some policies on an address: pages are visited by name.
      await use({ ...door, url: door.public.replace('127.0.0.1', 'localhost'), double });
      door.stop();
      double.stop();
    },
    { scope: 'worker' },
  ],

  page: async ({ page, site }, use) => {
    const faults = watch(page);
    await use(page);
    expect(faults).toEqual([]);
    const metrics = await (await fetch(`${site.admin}/metrics`)).text();
    expect(metrics.match(/surgewall_csp_reports_total\{.*/g) ?? [], 'reports of broken policies').toEqual([]);
  },
});

/** Runs `surgewall admin WORDS` beside the door, and gives what it prints. */
export function admin(site, ...words) {
  const all = [...site.words, 'admin', ...words];
  const printed = execFileSync(process.env.SURGEWALL, all, { env: site.env, stdio: ['ignore', 'pipe', 'ignore'] });
  return printed.toString().trim();
}

/** Fills the form that is on the page with an address and a password, and sends it. */
export async function send(page, button, email, password = PASSWORD) {
  await page.getByLabel('E-mail address').first().fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: button, exact: true }).click();
}

/** Signs in by password, as far as that goes without a second factor. */
export async function signIn(page, site, email, password = PASSWORD) {
  await page.goto(`${site.url}/sign-in`);
  await send(page, 'Sign in', email, password);
}

/** Makes an account by password and comes back to the chat. */
export async function signUp(page, site, email) {
  await page.goto(`${site.url}/sign-up`);
  await send(page, 'Make the account', email);
  // The same answer to everybody, whether the address had an account or not: so one signs in by oneself.
  await page.waitForURL((url) => url.pathname === '/sign-in', { timeout: 30_000 });
  await send(page, 'Sign in', email);
  await page.waitForURL((url) => url.pathname !== '/sign-in', { timeout: 30_000 });
  await page.goto(site.url);
  await expect(page.getByRole('button', { name: 'Temporary chat' })).toBeVisible();
}

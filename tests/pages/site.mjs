// A real door with a model-server double behind it, and accounts made as people make them.
import { test as base } from '@playwright/test';
import { startDoor, startDouble } from './door.mjs';
import { expect, watch } from './fixtures.mjs';

const PASSWORD = 'a sentence that nobody else has';

export const test = base.extend({
  site: [
    async ({}, use) => {
      const double = await startDouble('rate=50', 'slots=4');
      const upstream = `[accounts]\nanonymous = true\n[[upstream]]\nname = "local"\nurl = "${double.url}/v1"\nmodels = ["double"]\n`;
      const door = await startDoor(upstream);
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

/** Makes an account by password and comes back to the chat. */
export async function signUp(page, site, email) {
  await page.goto(`${site.url}/sign-up`);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Make the account' }).click();
  // The same answer to everybody, whether the address had an account or not: so one signs in by oneself.
  await page.waitForURL((url) => url.pathname === '/sign-in', { timeout: 30_000 });
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForURL((url) => url.pathname !== '/sign-in', { timeout: 30_000 });
  await page.goto(site.url);
  await expect(page.getByRole('button', { name: 'Temporary chat' })).toBeVisible();
}

// The gate's step `region`: people come through a proxy that says from where, and the registries' file says which
// country that is.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '../fixtures.mjs';
import { lookAround } from '../look.mjs';
import { admin, send, test as base } from '../site.mjs';

const DELEGATED =
  '2|ripencc|1700000000|2|19830705|20231114|+0100\n' +
  'ripencc|IT|ipv4|192.0.2.0|256|20100101|allocated|a\n' +
  'ripencc|DE|ipv4|198.51.100.0|256|20100101|allocated|b\n';
const FROM = { italy: '192.0.2.7', germany: '198.51.100.7', nowhere: '203.0.113.7' };

const test = base.extend({
  config: [
    async ({}, use) => {
      const folder = mkdtempSync(join(tmpdir(), 'surgewall-region-'));
      writeFileSync(join(folder, 'delegated'), DELEGATED);
      await use(`[data]\nregion_files = ["${join(folder, 'delegated')}"]\n[gate]\nregions = ["de"]\n`);
      rmSync(folder, { recursive: true });
    },
    { scope: 'worker' },
  ],
});

test.use({ listen: 'behind_proxy = ["127.0.0.0/8"]\n' });

const comesFrom = (page, country) => page.setExtraHTTPHeaders({ 'x-forwarded-for': FROM[country] });

test('an invite lets in who comes from a chosen region, and nobody else', async ({ page, site }) => {
  test.setTimeout(120_000);
  admin(site, 'gate', 'move', 'region', '--reason', 'We open country by country.');
  const token = admin(site, 'gate', 'invite', 'create', '--uses', '3', '--days', '3');
  for (const country of ['italy', 'nowhere']) {
    await comesFrom(page, country);
    await page.goto(`${site.url}/sign-up?invite=${token}`);
    await expect(page.locator('.note').first()).toContainText('We open country by country.');
    await send(page, 'Make the account', `${country}@example.org`);
    await expect(page.getByRole('alert')).toContainText('open in some regions only');
    await expect(page.getByLabel('E-mail address').first()).toHaveValue(`${country}@example.org`);
  }
  await lookAround(page, 'gate-region');
  await comesFrom(page, 'germany');
  await page.goto(`${site.url}/sign-up`);
  await send(page, 'Make the account', 'alone@example.org');
  await expect(page.getByRole('alert')).toContainText('need an invite');
  await page.goto(`${site.url}/sign-up?invite=${token}`);
  await send(page, 'Make the account', 'germany@example.org');
  await expect(page.getByText('If this address was free')).toBeVisible({ timeout: 30_000 });
  const people = admin(site, 'user', 'list');
  expect(people).toContain('germany@example.org');
  for (const nobody of ['italy@', 'nowhere@', 'alone@']) expect(people).not.toContain(nobody);
});

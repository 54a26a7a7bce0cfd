// The admin page: the set-up link makes the owner, and every page of the listener in every view.
import { expect } from '../fixtures.mjs';
import { VIEWS, look } from '../look.mjs';
import { admin as command, test } from '../site.mjs';

const OWNER = 'owner@example.org';
const PASSWORD = 'a sentence that only the owner has';
const PAGES = ['/', '/gate', '/users', '/groups', '/keys', '/rules', '/upstreams', '/findings', '/incidents', '/ledger', '/configuration'];

/** Makes the owner by the link that the command line prints, and signs in on the admin listener. */
async function setUp(page, site, admin) {
  const link = new URL(command(site, 'user', 'recover', '--owner'));
  await page.goto(admin + link.pathname + link.search);
  await page.getByLabel('E-mail address').fill(OWNER);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: "Make the owner's account" }).click();
  await page.waitForURL((url) => url.pathname === '/sign-in', { timeout: 30_000 });
  await page.getByLabel('E-mail address').fill(OWNER);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForURL((url) => url.pathname === '/', { timeout: 30_000 });
}

test('the owner sets up, sees every page, and runs the door', async ({ page, site }) => {
  test.setTimeout(120_000);
  const admin = site.admin.replace('127.0.0.1', 'localhost');
  await page.goto(admin);
  await expect(page).toHaveURL(/sign-in/);
  await setUp(page, site, admin);
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
  await expect(page.locator('#charts figure canvas')).toHaveCount(2);
  await expect(page.locator('#charts figcaption').first()).toContainText('offered 0.0');

  await page.goto(`${admin}/users`);
  await page.getByLabel('E-mail', { exact: true }).fill('ann@example.org');
  await page.getByRole('button', { name: 'Make it' }).click();
  await expect(page.getByRole('status')).toHaveText('The account was made.');
  await page.goto(`${admin}/gate`);
  await page.locator('select[name=to]').selectOption('closed');
  await page.getByLabel('Why, in words for everybody').fill('We move house.');
  await page.getByRole('button', { name: 'Move the gate' }).click();
  await page.goto(`${site.url}/sign-up`);
  await expect(page.getByText('We move house.')).toBeVisible();
  await page.goto(`${admin}/gate`);
  await page.locator('select[name=to]').selectOption('open');
  await page.getByLabel('Why, in words for everybody').fill('We are there.');
  await page.getByRole('button', { name: 'Move the gate' }).click();

  for (const view of VIEWS) {
    await page.setViewportSize(view.viewport);
    await page.emulateMedia({ colorScheme: view.colorScheme });
    for (const path of PAGES) {
      const answer = await page.goto(admin + path);
      expect(answer.status(), path).toBe(200);
      await look(page, `admin${path.replaceAll('/', '-')}-${view.name}`);
    }
  }
});

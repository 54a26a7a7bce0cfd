// Where letters are sent: a code proves the address of a new account, and a link sets a new password.
import { expect } from '../fixtures.mjs';
import { letters } from '../letters.mjs';
import { lookAround } from '../look.mjs';
import { PASSWORD, send, signIn, test as base } from '../site.mjs';

const test = base.extend({
  letters,
  config: [async ({ letters }, use) => use(letters.config), { scope: 'worker' }],
});

const ANN = 'ann@example.org';
const NEW = 'another sentence, which is new';
const at = (path) => (url) => url.pathname === path;

test('a code by letter makes the account, a link by letter sets its password anew', async ({ page, site, letters }) => {
  test.setTimeout(120_000);
  await page.goto(`${site.url}/sign-up`);
  await expect(page.getByRole('button', { name: 'Make it with a passkey' })).toHaveCount(0);
  await send(page, 'Make the account', ANN);
  await expect(page.getByRole('heading', { name: 'Look into your mail' })).toBeVisible({ timeout: 30_000 });
  await lookAround(page, 'mail-code');
  const code = /^\s*(\d{4}\s?\d{4})\s*$/m.exec(await letters.to(ANN))[1];
  await page.getByLabel('Code').fill('1111 2222');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expect(page.getByRole('alert')).toContainText('This code is not right');
  await page.getByLabel('Code').fill(code);
  await page.getByRole('button', { name: 'Make the account' }).click();
  await page.waitForURL(at('/'), { timeout: 30_000 });

  await page.goto(`${site.url}/account`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('link', { name: 'Forgot your password?' }).click();
  await page.waitForURL(at('/sign-in/reset'));
  await lookAround(page, 'mail-reset');
  await page.getByLabel('E-mail address').fill(ANN);
  await page.getByRole('button', { name: 'Send me a link' }).click();
  await expect(page.getByRole('status')).toContainText('a letter with a link is on its way');
  await lookAround(page, 'mail-sent');
  // The listener was given port 0, so that the link cannot name the port that it got.
  const link = new URL(/http:\S+\/set-up\?token=\S+/.exec(await letters.to(ANN, 2))[0]);
  await page.goto(site.url + link.pathname + link.search);
  await lookAround(page, 'mail-set');
  await expect(page.getByLabel('E-mail address')).toHaveValue(ANN);
  await page.getByLabel('Password').fill(NEW);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await page.waitForURL(at('/sign-in'), { timeout: 30_000 });
  await expect(page.getByRole('status')).toHaveText('Your password was set. Sign in.');
  await signIn(page, site, ANN, PASSWORD);
  await expect(page.getByRole('alert')).toContainText('is not right');
  await signIn(page, site, ANN, NEW);
  await page.waitForURL(at('/'), { timeout: 30_000 });
  await page.goto(site.url + link.pathname + link.search);
  await expect(page.getByText('This link is used up or too old.')).toBeVisible();
});

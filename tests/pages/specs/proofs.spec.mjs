// A password and an authenticator app: set up, asked for, recovery codes, and a fresh proof before what is dangerous.
import { appCode } from '../factors.mjs';
import { expect } from '../fixtures.mjs';
import { lookAround } from '../look.mjs';
import { PASSWORD, signIn, signUp, test } from '../site.mjs';

const ANN = 'ann-app@example.org';
const at = (path) => (url) => url.pathname === path;

async function answer(page, code) {
  await page.getByLabel(/^Code of your authenticator app/).fill(code);
  await page.getByRole('button', { name: /^(Sign in|Go on)$/ }).click();
}

async function leave(page, site) {
  await page.goto(`${site.url}/account`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('status')).toHaveText('You are signed out.');
}

test('a password and an app: set up, asked for, recovery codes once each, a fresh proof', async ({ page, site }) => {
  test.setTimeout(120_000);
  await signUp(page, site, ANN);
  await page.goto(`${site.url}/account`);
  await expect(page.getByText('A password alone protects this account.')).toBeVisible();

  await page.goto(`${site.url}/account/security`);
  await page.getByRole('button', { name: 'Set it up' }).click();
  const shown = async () => (await page.locator('.secret').innerText()).trim();
  const secret = await shown();
  await expect(page.getByRole('link', { name: 'this link' })).toHaveAttribute('href', new RegExp(`^otpauth://totp/.*secret=${secret}`));
  const code = page.getByLabel('The code that the app shows now');
  await code.fill('000000');
  await page.getByRole('button', { name: 'Turn it on' }).click();
  await expect(page.getByRole('alert')).toContainText('This is not the code');
  expect(await shown(), 'the same secret is gone on with').toBe(secret);
  await lookAround(page, 'app-set-up');
  // Each code is good once, and none before it: three steps in a row take the three that are good now.
  await code.fill(appCode(secret, -1));
  await page.getByRole('button', { name: 'Turn it on' }).click();
  await expect(page.getByRole('status')).toHaveText('The authenticator app is on.');
  const codes = (await page.locator('ul.codes li').allInnerTexts()).map((text) => text.trim());
  expect(new Set(codes).size).toBe(10);
  await lookAround(page, 'recovery-codes');

  await leave(page, site);
  await signIn(page, site, ANN);
  await expect(page.getByRole('heading', { name: 'One more step' })).toBeVisible();
  await lookAround(page, 'second-step');
  await answer(page, '000000');
  await expect(page.getByRole('alert')).toContainText('This code is not right');
  await answer(page, appCode(secret));
  await page.waitForURL(at('/'));
  await page.goto(`${site.url}/account`);
  await expect(page.getByText('with a passkey or a second factor')).toBeVisible();

  // Without the app: a recovery code, in small letters and with spaces, once.
  await leave(page, site);
  await signIn(page, site, ANN);
  await answer(page, codes[0].toLowerCase().replaceAll('-', ' '));
  await page.waitForURL(at('/'));
  await page.goto(`${site.url}/account/security`);
  await expect(page.getByText('9 recovery codes are left.')).toBeVisible();
  await leave(page, site);
  await signIn(page, site, ANN);
  await answer(page, codes[0]);
  await expect(page.getByRole('alert')).toContainText('or it was used already');
  await answer(page, codes[1]);
  await page.waitForURL(at('/'));

  // A fresh proof asks for both.
  const confirm = `${site.url}/account/confirm?next=/account/security`;
  await page.goto(confirm);
  await page.getByLabel('Password').fill('not the right one at all');
  await answer(page, codes[2]);
  await expect(page.getByRole('alert')).toHaveText('The password is not right.');
  await lookAround(page, 'confirm');
  await page.getByLabel('Password').fill(PASSWORD);
  await answer(page, codes[1]);
  await expect(page.getByRole('alert')).toContainText('or it was used already');
  await page.getByLabel('Password').fill(PASSWORD);
  await answer(page, codes[2]);
  await page.waitForURL(at('/account/security'));
  await page.getByRole('button', { name: 'Turn it off' }).click();
  await expect(page.getByRole('status')).toHaveText('The authenticator app is off. All your other sessions ended.');
  await leave(page, site);
  await signIn(page, site, ANN);
  await page.waitForURL(at('/'));
});

test('what is not right says so, and tells nobody who has an account', async ({ page, site }) => {
  await page.goto(`${site.url}/account/keys`);
  await page.waitForURL(at('/sign-in'));
  const said = [];
  for (const email of [ANN, 'nobody-at-all@example.org']) {
    await signIn(page, site, email, 'a guess of somebody else');
    await expect(page.getByLabel('E-mail address')).toHaveValue(email);
    said.push(await page.getByRole('alert').innerText());
  }
  expect(said[0]).toBe('The e-mail address or the password is not right.');
  expect(said[1]).toBe(said[0]);
  await lookAround(page, 'sign-in-wrong');
  await page.goto(`${site.url}/sign-up`);
  await page.getByLabel('E-mail address').fill('weak@example.org');
  await page.getByLabel('Password').fill('passwordpassword');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await expect(page.getByLabel('E-mail address')).toHaveValue('weak@example.org');
  await lookAround(page, 'sign-up-weak');
});

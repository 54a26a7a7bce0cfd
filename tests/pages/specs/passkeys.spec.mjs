// Passkeys, on the browser's own virtual device: an account without a password, in and out, a second one, and what
// is said where one is missing, removed, or its owner is not known to the device.
import { Device } from '../factors.mjs';
import { expect, picture } from '../fixtures.mjs';
import { lookAround } from '../look.mjs';
import { admin, test } from '../site.mjs';

const at = (path) => (url) => url.pathname === path;

/** Opens `url`, also where a device that signed in by itself leads elsewhere meanwhile. */
async function go(page, url) {
  for (let tries = 0; tries < 5; tries += 1) {
    const opened = await page.goto(url).catch(() => null);
    if (opened) return;
    await page.waitForTimeout(300);
  }
  await page.goto(url);
}

/** Makes an account by passkey alone. The form to sign in comes next, where the device may sign in by itself. */
async function join(page, site, device, email) {
  await page.goto(`${site.url}/sign-up`);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('button', { name: 'Make it with a passkey' }).click();
  await page.waitForURL((url) => url.pathname === '/sign-in' || url.pathname === '/');
  expect(await device.passkeys()).toHaveLength(1);
}

/** Signs in by the button, unless the device was quicker by itself: then there is no button any more. */
async function enter(page, site, device, path = '/sign-in?next=/account/security') {
  await device.isTouched(false);
  // A device that signed in by itself a moment ago may lead elsewhere meanwhile.
  await go(page, site.url + path);
  await device.isTouched(true);
  const button = page.getByRole('button', { name: 'Sign in with a passkey' });
  await button.click({ timeout: 5_000 }).catch(async (error) => {
    if (await button.isVisible()) throw error;
  });
}

/** Is signed in, wherever the device led by itself, and looks at what protects the account. */
async function arrive(page, site) {
  await page.waitForURL((url) => url.pathname !== '/sign-in');
  await go(page, `${site.url}/account/security`);
}

const leave = (page) => page.getByRole('button', { name: 'Sign out' }).click();

test('an account without a password: made, in and out, a second passkey, one removed', async ({ page, site }) => {
  const device = await Device.beside(page);
  await join(page, site, device, 'kim@example.org');
  const [first] = await device.passkeys();
  expect(first).toMatchObject({ rpId: 'localhost', isResidentCredential: true, userName: 'kim@example.org' });

  await enter(page, site, device);
  await arrive(page, site);
  const table = page.getByRole('region', { name: 'Your passkeys' });
  await expect(table.getByRole('row')).toHaveCount(2);
  await expect(page.getByText('This account has no password.')).toBeVisible();
  await page.goto(`${site.url}/account`);
  await expect(page.getByText('with a passkey or a second factor')).toBeVisible();
  await expect(page.getByText('kim@example.org')).toBeVisible();

  // The same device makes no second one for this account, and another one does.
  await page.goto(`${site.url}/account/security`);
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await expect(page.getByRole('alert')).toContainText('has a passkey for this account already');
  await device.leave();
  const other = await Device.beside(page);
  await page.getByLabel('Name of the new passkey').fill('Key ring');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await expect(page.getByRole('status')).toHaveText('The passkey was added.');
  await expect(table.getByRole('row')).toHaveCount(3);
  await lookAround(page, 'passkeys');

  // The new one signs in; the first one, once removed, does not.
  await other.isTouched(false);
  await leave(page);
  await page.waitForURL(at('/sign-in'));
  await enter(page, site, other);
  await arrive(page, site);
  await page.getByRole('button', { name: 'Remove the passkey The first one' }).click();
  await expect(page.getByRole('status')).toHaveText('The passkey was removed.');
  await expect(table.getByRole('row')).toHaveCount(2);
  await other.isTouched(false);
  await leave(page);
  await page.waitForURL(at('/sign-in'));
  await other.leave();
  const again = await Device.beside(page);
  await again.remember(first);
  await enter(page, site, again);
  await expect(page.getByRole('alert')).toHaveText('This passkey was not accepted.');
  await lookAround(page, 'passkey-refused');
});

test('a passkey is offered where the address is typed, without a press of a button', async ({ page, site }) => {
  const device = await Device.beside(page);
  await device.isTouched(false);
  await page.goto(`${site.url}/sign-in`);
  await expect(page.getByLabel('E-mail address')).toHaveAttribute('autocomplete', /webauthn/);
  await device.isTouched(true);
  await join(page, site, device, 'lee@example.org');
  // What a person does by choosing it from the list under the field, the device does by itself.
  await page.waitForURL(at('/'), { timeout: 30_000 });
  await page.goto(`${site.url}/account`);
  await expect(page.getByText('lee@example.org')).toBeVisible();
});

test('what is missing or not its owner’s is said in words', async ({ page, site }) => {
  const device = await Device.beside(page);
  await page.goto(`${site.url}/sign-in`);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.getByRole('alert')).toContainText('there is no passkey for this service here');
  await picture(page, 'passkey-absent');
  await page.goto(`${site.url}/sign-up`);
  await device.knowsItsOwner(false);
  await page.getByLabel('E-mail address').fill('max@example.org');
  await page.getByRole('button', { name: 'Make it with a passkey' }).click();
  await expect(page.getByRole('alert')).toContainText('Nothing was done');
  expect(admin(site, 'user', 'list')).not.toContain('max@example.org');
  // Without an address there is nobody to make it for.
  await page.getByLabel('E-mail address').fill('');
  await page.getByRole('button', { name: 'Make it with a passkey' }).click();
  await expect(page.getByRole('button', { name: 'Make it with a passkey' })).toBeEnabled();
  expect(await device.passkeys()).toEqual([]);
});

test('a fresh proof by passkey', async ({ page, site }) => {
  const device = await Device.beside(page);
  await join(page, site, device, 'noa@example.org');
  await enter(page, site, device);
  await arrive(page, site);
  const confirm = `${site.url}/account/confirm?next=/account/data`;
  await go(page, confirm);
  await expect(page.getByText('This account has no password.')).toBeVisible();
  await picture(page, 'passkey-confirm');
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.waitForURL(at('/account/data'));
});

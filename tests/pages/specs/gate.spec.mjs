// The gate at each of its steps, as somebody meets it who wants an account: the words with reason and time, the
// browser's work or a wait, invites, the waiting list, and a closed door.
import { Device } from '../factors.mjs';
import { expect } from '../fixtures.mjs';
import { lookAround } from '../look.mjs';
import { admin, send, signIn, test } from '../site.mjs';

const WAIT_S = 2;
test.use({ config: `[gate]\nwait_s = ${WAIT_S}\n` });

const MAKE = 'Make the account';
const at = (path) => (url) => url.pathname === path;
const made = (page) => expect(page.getByText('If this address was free')).toBeVisible({ timeout: 30_000 });
const move = (site, step, reason) => admin(site, 'gate', 'move', step, '--reason', reason);

async function standsFor(page, site, reason) {
  await page.goto(`${site.url}/sign-up`);
  const words = page.locator('.note').first();
  await expect(words).toContainText(reason);
  await expect(words).toContainText(/Since \d{4}-\d\d-\d\d \d\d:\d\d UTC\. Accounts that exist work as always\./);
}

test('work: the browser does it, by password and by passkey', async ({ page, site }) => {
  move(site, 'work', 'Very many came at once.');
  await standsFor(page, site, 'Very many came at once.');
  await expect(page.getByRole('status')).toHaveText('Your browser will work for a few seconds when you send this.');
  await lookAround(page, 'gate-work');
  const bids = [];
  page.on('request', (request) => {
    if (request.method() !== 'POST') return;
    const work = new URLSearchParams(request.postData() ?? '').get('work') ?? request.postDataJSON()?.work;
    if (work) bids.push(work);
  });
  await send(page, MAKE, 'worker@example.org');
  await made(page);
  const device = await Device.beside(page);
  await page.goto(`${site.url}/sign-up`);
  await page.getByLabel('E-mail address').fill('worker-too@example.org');
  await page.getByRole('button', { name: 'Make it with a passkey' }).click();
  // The device may sign in there by itself.
  await page.waitForURL((url) => url.pathname === '/sign-in' || url.pathname === '/', { timeout: 30_000 });
  expect(await device.passkeys()).toHaveLength(1);
  expect(bids).toHaveLength(2);
  for (const bid of bids) expect(bid).toMatch(/^[\w-]{16}:65536:\d+$/);
  const people = admin(site, 'user', 'list');
  for (const email of ['worker@example.org', 'worker-too@example.org']) expect(people).toContain(email);
});

test('work: the page was opened before, and the gate moved meanwhile', async ({ page, site }) => {
  move(site, 'open', 'It is calm.');
  await page.goto(`${site.url}/sign-up`);
  move(site, 'work', 'And again.');
  await send(page, MAKE, 'early@example.org');
  await made(page);
});

test('work: without script there is a wait', async ({ browser, site }) => {
  move(site, 'work', 'Very many came at once.');
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${site.url}/sign-up`);
  await expect(page.getByText(`taken ${WAIT_S} seconds after`)).toBeVisible();
  await send(page, MAKE, 'waiter@example.org');
  await expect(page.getByRole('alert')).toContainText(`please wait ${WAIT_S} seconds`);
  await new Promise((over) => setTimeout(over, WAIT_S * 1000));
  await send(page, MAKE, 'waiter@example.org');
  await made(page);
  await context.close();
});

test('invite: the waiting list has places, and a turn comes', async ({ page, site }) => {
  move(site, 'invite', 'We grow slowly.');
  await standsFor(page, site, 'We grow slowly.');
  await lookAround(page, 'gate-invite');
  const wait = async (email) => {
    await page.goto(`${site.url}/sign-up`);
    const list = page.locator('form[action="/sign-up/wait"]');
    await list.getByLabel('E-mail address').fill(email);
    await list.getByRole('button').click();
    return page.getByRole('status');
  };
  await expect(await wait('first@example.org')).toContainText('You are next on the waiting list.');
  await expect(await wait('second@example.org')).toContainText('at place 2');
  await lookAround(page, 'gate-waiting');
  await page.getByRole('link', { name: 'Your place' }).click();
  const place = page.url();
  await expect(page.getByText('at place 2')).toBeVisible();
  await send(page, MAKE, 'second@example.org');
  await expect(page.getByRole('alert')).toContainText('at place 2');
  expect(admin(site, 'gate', 'waiting', 'admit', '2')).toContain('second@example.org');
  await page.goto(`${site.url}/sign-up`);
  await send(page, MAKE, 'second@example.org');
  await expect(page.getByRole('alert'), 'an address alone takes no turn').toContainText('need an invite');
  await page.goto(place);
  await expect(page.getByText('Your turn has come')).toBeVisible();
  await send(page, MAKE, 'second@example.org');
  await made(page);
});

test('invite: a token that the operator made is good so often as it says', async ({ page, site }) => {
  move(site, 'invite', 'We grow slowly.');
  const token = admin(site, 'gate', 'invite', 'create', '--uses', '1', '--days', '3');
  expect(token).toMatch(/^sw_invite_\w+$/);
  await page.goto(`${site.url}/sign-up?invite=${token}`);
  await expect(page.getByLabel('Invite')).toHaveValue(token);
  await send(page, MAKE, 'invited@example.org');
  await made(page);
  await page.goto(`${site.url}/sign-up?invite=${token}`);
  await send(page, MAKE, 'too-late@example.org');
  await expect(page.getByRole('alert')).toContainText('This invite does not work');
  await expect(page.getByLabel('E-mail address').first()).toHaveValue('too-late@example.org');
  await lookAround(page, 'gate-invite-used');
});

test('verified and closed: the words, and no form that could not work', async ({ page, site }) => {
  move(site, 'open', 'It is calm.');
  await page.goto(`${site.url}/sign-up`);
  await send(page, MAKE, 'known@example.org');
  await made(page);
  for (const [step, reason] of [['verified', 'Names were made up.'], ['closed', 'We move house.']]) {
    move(site, step, reason);
    await standsFor(page, site, reason);
    await expect(page.getByRole('button', { name: MAKE })).toHaveCount(0);
    await expect(page.getByRole('button', { name: 'Make it with a passkey' })).toHaveCount(0);
    await lookAround(page, `gate-${step}`);
  }
  // Whoever has an account signs in as always.
  await signIn(page, site, 'known@example.org');
  await page.waitForURL(at('/'));
});

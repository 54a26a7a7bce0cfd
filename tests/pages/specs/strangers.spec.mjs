// What somebody without an account leaves and is told: a report, a key that was found, a subscription to the status
// page, and a turn on the waiting list.
import { expect } from '../fixtures.mjs';
import { letters } from '../letters.mjs';
import { lookAround } from '../look.mjs';
import { admin, send, test as base } from '../site.mjs';

const test = base.extend({
  letters,
  config: [
    async ({ letters }, use) => use(`${letters.config}[status]\nname = "Example AI"\nsubscribe = true\n`),
    { scope: 'worker' },
  ],
});

/** Opens a link of a letter. The listener was given port 0, so that the link cannot name the port that it got. */
async function open(page, site, letter, pattern) {
  const link = new URL(pattern.exec(letter)[0]);
  await page.goto(site.url + link.pathname + link.search);
}

/** What `admin finding list` prints. Its exit status says that one is open. */
function findings(site) {
  try {
    return admin(site, 'finding', 'list');
  } catch (failed) {
    return failed.stdout.toString();
  }
}

test('a report becomes a finding, and says so', async ({ page, site }) => {
  await page.goto(`${site.url}/report`);
  await page.getByLabel('In a few words').fill('A page asks for passwords in your name');
  await page.getByLabel('What did you see').fill('It is at evil.example. <script>alert(1)</script>');
  const sendIt = page.getByRole('button', { name: 'Send the report' });
  await sendIt.click();
  await expect(page.getByRole('alert')).toContainText('within seconds');
  await expect(page.getByLabel('What did you see')).toHaveValue('It is at evil.example. <script>alert(1)</script>');
  await lookAround(page, 'report-again');
  // Nobody fills in the form faster; the door's clock is the real one here.
  await page.waitForTimeout(4_500);
  await sendIt.click();
  await expect(page.getByRole('status')).toContainText('Thank you');
  await lookAround(page, 'report-sent');
  expect(findings(site)).toContain('A page asks for passwords in your name');
});

test('a key that was found stops working', async ({ page, site }) => {
  const key = admin(site, 'key', 'create', '--name', 'lost');
  const models = () => fetch(`${site.public}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect((await models()).status).toBe(200);
  await page.goto(`${site.url}/report/key`);
  await page.getByLabel('The key').fill(`I found ${key} in a chat`);
  await page.getByRole('button', { name: 'Hand it in' }).click();
  await expect(page.getByRole('status')).toContainText('it stops working now');
  await lookAround(page, 'report-key-sent');
  expect((await models()).status).toBe(401);
});

test('a subscriber confirms by letter, is told of an incident, and ends it', async ({ page, site, letters }) => {
  test.setTimeout(120_000);
  const address = 'reader@example.org';
  await page.goto(site.status);
  await page.getByRole('link', { name: /subscribe|told/i }).first().waitFor();
  await page.goto(`${site.url}/status/subscribe`);
  await lookAround(page, 'subscribe');
  await page.getByLabel('E-mail').fill(address);
  await page.getByRole('button', { name: 'Tell me by e-mail' }).click();
  await expect(page.getByRole('status')).toContainText('a link to confirm');
  await lookAround(page, 'subscribe-asked');
  await open(page, site, await letters.to(address), /http:\S+\/status\/confirm\?token=\S+/);
  await lookAround(page, 'subscribe-confirm');
  await page.getByRole('button', { name: 'Yes, tell it' }).click();
  await expect(page.getByRole('status')).toContainText(`${address} is told from now on`);
  admin(site, 'status', 'note', '--title', 'Answers are slow', 'We are looking into it.');
  const told = await letters.to(address, 2);
  expect(told).toContain('Answers are slow');
  expect(told).toContain('List-Unsubscribe-Post: List-Unsubscribe=One-Click');
  await open(page, site, told, /http:\S+\/status\/unsubscribe\?token=\w+/);
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByRole('status')).toContainText('not told any more');
  await lookAround(page, 'subscribe-ended');
});

test('a letter says that a turn has come, and its link lets in', async ({ page, site, letters }) => {
  test.setTimeout(120_000);
  const address = 'patient@example.org';
  admin(site, 'gate', 'move', 'invite', '--reason', 'We grow slowly.');
  await page.goto(`${site.url}/sign-up`);
  const list = page.locator('form[action="/sign-up/wait"]');
  await list.getByLabel('E-mail address').fill(address);
  await list.getByRole('button').click();
  await expect(page.getByRole('status')).toContainText('You are next');
  admin(site, 'gate', 'waiting', 'admit', '1');
  await open(page, site, await letters.to(address), /http:\S+\/sign-up\?invite=\S+/);
  await expect(page.getByText('Your turn has come')).toBeVisible();
  await lookAround(page, 'gate-turn');
  await send(page, 'Make the account', address);
  await expect(page.getByRole('heading', { name: 'Look into your mail' })).toBeVisible({ timeout: 30_000 });
  admin(site, 'gate', 'move', 'open', '--reason', 'There is room.');
});

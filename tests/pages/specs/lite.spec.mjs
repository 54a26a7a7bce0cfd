// The chat without script, in a browser that runs none, as narrow as a phone.
import { expect, picture } from '../fixtures.mjs';
import { look } from '../look.mjs';
import { test } from '../site.mjs';

test.use({ javaScriptEnabled: false, viewport: { width: 320, height: 640 } });

const PASSWORD = 'a sentence that nobody else has';
const answer = (page) => page.locator('article.assistant').last();

/** From the front page, which says where to go, to the conversations of a new account. */
async function enter(page, site, email) {
  await page.goto(site.url);
  await page.getByRole('link', { name: 'The chat without script' }).click();
  await page.getByRole('link', { name: 'Make one' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Make the account' }).click();
  await page.waitForURL((url) => url.pathname === '/sign-in', { timeout: 30_000 });
  await page.goto(`${site.url}/lite`);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForURL((url) => url.pathname === '/lite', { timeout: 30_000 });
}

/** Looks at the page that is shown. Axe runs as script: so in a second browser, which has the same cookies and runs some. */
async function seen(page, name) {
  const storageState = await page.context().storageState();
  const context = await page.context().browser().newContext({ javaScriptEnabled: true, storageState, viewport: page.viewportSize() });
  const second = await context.newPage();
  await second.goto(page.url());
  await look(second, name);
  await context.close();
}

async function send(page, text) {
  await page.getByLabel('Message').fill(text);
  await page.getByLabel('Model').selectOption('double');
  await page.getByRole('button', { name: 'Send' }).click();
}

test('from the front page to an answer, and back to it', async ({ page, site }) => {
  await enter(page, site, 'lite@example.org');
  await expect(page.getByText('There are none yet.')).toBeVisible();
  await seen(page, 'lite-empty');
  await send(page, 'say 60 <b>words</b>');
  await expect(answer(page)).toContainText('tok59', { timeout: 30_000 });
  await expect(page.getByText('say 60 <b>words</b>').last()).toBeVisible();
  await seen(page, 'lite-answer');
  await send(page, 'say 5');
  await expect(answer(page)).toContainText('tok4', { timeout: 30_000 });
  await expect(page.locator('article.assistant')).toHaveCount(2);
  await page.getByRole('button', { name: 'Another answer' }).click();
  await expect(page.getByRole('button', { name: 'Send' })).toBeVisible({ timeout: 30_000 });
  await page.getByRole('link', { name: 'Conversations' }).click();
  await expect(page.getByRole('listitem')).toHaveCount(1);
  await seen(page, 'lite-list');
  await page.getByRole('link', { name: 'say 60' }).click();
  await expect(answer(page)).toContainText('tok4');
  expect(await page.locator('script').count()).toBe(0);
});

test('an answer comes while it is written, is stopped, and goes on', async ({ page, site }) => {
  await enter(page, site, 'lite2@example.org');
  await send(page, 'say 5000');
  await expect(answer(page)).toContainText('tok9 ', { timeout: 30_000 });
  await expect(page.getByLabel('Message')).toHaveCount(0);
  await picture(page, 'lite-live');
  await page.getByRole('button', { name: 'Stop the answer' }).click();
  await expect(page.getByText('You stopped this answer.')).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole('button', { name: 'Go on with it' })).toBeVisible();
  await seen(page, 'lite-stopped');
});

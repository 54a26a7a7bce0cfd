// The chat against the door itself, with nothing played: the handbook, and a model-server double behind it.
import { ask, expect, picture, watch } from '../fixtures.mjs';
import { signUp, test } from '../site.mjs';

const answers = (page) => page.locator('article.assistant');
const complete = (page) => expect(page.getByRole('log')).toContainText('The answer is complete.', { timeout: 30_000 });
const said = (page, text) => expect.poll(async () => (await answers(page).locator('.md').innerText()).trim(), { timeout: 30_000 }).toBe(text);
const numbered = (count) => Array.from({ length: count }, (_, at) => `tok${at}`).join(' ');

async function pick(page, model) {
  await page.getByRole('combobox', { name: 'Model' }).selectOption(model);
}

test('a visitor asks the handbook', async ({ page, site }) => {
  await page.goto(site.url);
  await pick(page, 'handbook');
  await page.getByRole('button', { name: 'How do I connect a model server?' }).click();
  await complete(page);
  await expect(answers(page)).toContainText('[[upstream]]');
  await picture(page, 'door-handbook');
});

test('a visitor reads a model while it writes, and stops it', async ({ page, site }) => {
  await page.goto(site.url);
  await pick(page, 'double');
  await ask(page, 'say 60');
  await said(page, numbered(60));
  await complete(page);
  await ask(page, 'say 5000');
  await expect(answers(page).last()).toContainText('tok9 ');
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(answers(page).last()).toContainText('You stopped this answer.');
});

test('with an account: reloaded in the middle, on a second page, versions, and a link', async ({ page, site, context, browser }) => {
  await signUp(page, site, 'ann@example.org');
  await pick(page, 'double');
  await ask(page, 'say 150');
  await expect(answers(page)).toContainText('tok9 ');
  await page.reload();
  await expect(answers(page)).toContainText('tok9 ');
  const second = await context.newPage();
  await second.goto(page.url());
  for (const one of [page, second]) await said(one, numbered(150));
  await second.close();

  await page.getByRole('button', { name: 'Another answer' }).click();
  await expect(answers(page).locator('.versions')).toContainText('2 of 2', { timeout: 20_000 });
  await page.getByRole('button', { name: 'Previous version' }).click();
  await expect(answers(page).locator('.versions')).toContainText('1 of 2');

  await page.getByRole('button', { name: 'Share' }).click();
  await page.getByRole('button', { name: 'Make a link' }).click();
  const link = await page.getByRole('link', { name: /shared/ }).getAttribute('href');
  await page.keyboard.press('Escape');
  const stranger = await (await browser.newContext()).newPage();
  const faults = watch(stranger);
  await stranger.goto(link);
  await expect(stranger.getByText('tok149')).toBeVisible();
  expect(await stranger.locator('script').count()).toBe(0);
  await picture(stranger, 'door-shared');
  expect(faults).toEqual([]);
  await stranger.context().close();

  await page.getByRole('button', { name: 'New chat' }).first().click();
  await page.getByPlaceholder('Search').fill('tok149');
  await expect(page.locator('.hit').first()).toContainText('tok149');
});

test('another person’s conversation is not there', async ({ browser, site }) => {
  const of = async (email) => {
    const page = await (await browser.newContext()).newPage();
    await signUp(page, site, email);
    return page;
  };
  const [bob, eve] = [await of('bob@example.org'), await of('eve@example.org')];
  await pick(bob, 'double');
  await ask(bob, 'say 7');
  await complete(bob);
  await eve.goto(bob.url());
  await expect(eve.getByText('There is no such conversation.')).toBeVisible();
  for (const page of [bob, eve]) await page.context().close();
});

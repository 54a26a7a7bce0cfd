// The list of conversations and what can be done with them; files, drafts, choices, keys.
import { ask, expect, test } from '../fixtures.mjs';

const DAY_MS = 86_400_000;

test.beforeEach(async ({ stage }) => {
  stage.signIn();
  stage.keep('c1', 'About quotas', ['What is a quota?', 'A bound on tokens.'], { updated_at: Date.now() - 30 * DAY_MS });
  stage.keep('c2', 'About keys', ['What is a key?', 'A secret.'], { updated_at: Date.now() - DAY_MS });
});

const row = (page, title) => page.locator('.conversation').filter({ hasText: title });

async function menu(page, title, act) {
  await row(page, title).hover();
  await row(page, title).getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: act }).click();
}

test('opened, back and forth, and by its address', async ({ page, stage }) => {
  await page.goto(stage.url);
  await expect(page.locator('.list h2')).toHaveText(['Yesterday', 'Older']);
  await row(page, 'About keys').getByRole('link').click();
  await expect(page.locator('article.assistant')).toContainText('A secret.');
  await expect(page).toHaveTitle('About keys · Surgewall');
  await row(page, 'About quotas').getByRole('link').click();
  await expect(page.locator('article.assistant')).toContainText('A bound on tokens.');
  await page.goBack();
  await expect(page.locator('article.assistant')).toContainText('A secret.');
  await page.goto(`${stage.url}/#nonsense`);
  await expect(page.getByText('There is no such conversation.')).toBeVisible();
});

test('renamed, archived, moved back, deleted', async ({ page, stage }) => {
  await page.goto(stage.url);
  await menu(page, 'About keys', 'Rename');
  await page.getByRole('textbox', { name: 'Title' }).fill('Everything about keys');
  await page.keyboard.press('Enter');
  await expect(row(page, 'Everything about keys')).toBeVisible();
  await menu(page, 'About quotas', 'Archive');
  await expect(row(page, 'About quotas')).toHaveCount(0);
  await page.getByRole('button', { name: 'Archived conversations' }).click();
  await menu(page, 'About quotas', 'Move back');
  await page.getByRole('button', { name: 'Back to the list' }).click();
  await expect(row(page, 'About quotas')).toBeVisible();
  page.once('dialog', (dialog) => void dialog.dismiss());
  await menu(page, 'About quotas', 'Delete');
  await expect(row(page, 'About quotas')).toBeVisible();
  page.once('dialog', (dialog) => void dialog.accept());
  await menu(page, 'About quotas', 'Delete');
  await expect(row(page, 'About quotas')).toHaveCount(0);
  expect(stage.conversations.has('c1')).toBe(false);
});

test('searched by keys alone', async ({ page, stage }) => {
  await page.goto(stage.url);
  await expect(row(page, 'About keys')).toBeVisible();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('bound');
  await expect(page.locator('.hit')).toContainText('About quotas');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.locator('article.assistant')).toContainText('A bound on tokens.');
  await page.keyboard.press('Control+Shift+O');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('What would you like to know?');
  await page.keyboard.type('asked by keys');
  await page.keyboard.press('Enter');
  await expect(page.locator('article.assistant')).toContainText('You asked: asked by keys');
  await page.keyboard.press('Control+Shift+Y');
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('You asked: asked by keys');
});

test('a menu is used by keys, and gives the focus back', async ({ page, stage }) => {
  await page.goto(stage.url);
  const more = row(page, 'About keys').getByRole('button', { name: 'More' });
  await more.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menuitem', { name: 'Rename' })).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('menuitem', { name: 'Export as Markdown' })).toBeFocused();
  await expect(page.getByRole('menuitem', { name: 'Export as Markdown' })).toHaveAttribute('href', '/app/conversations/c2/export?format=markdown');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  await expect(page.getByRole('menuitem', { name: 'Delete' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(more).toBeFocused();
});

test('shared by a link that is shown once, and ended', async ({ page, stage }) => {
  await page.goto(`${stage.url}/#c1`);
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByText('This conversation is not shared.')).toBeVisible();
  await page.getByLabel('Days until it ends').selectOption('7');
  await page.getByRole('button', { name: 'Make a link' }).click();
  await page.getByRole('button', { name: 'Copy the link' }).click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(`${stage.url}/app/shared/stage-token`);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByText('A link is shown once, when it is made.')).toBeVisible();
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByText('This conversation is not shared.')).toBeVisible();
  expect(stage.calls).toContain('DELETE /app/shares/shr_1');
});

test('temporary, with a system prompt and files', async ({ page, stage }) => {
  let sent;
  stage.play = async (played, question) => {
    sent = question;
    played.push('text', { text: 'ok' });
    played.push('done', { message: null, state: 'whole', usage: {} });
  };
  await page.goto(stage.url);
  await page.getByRole('button', { name: 'Temporary chat' }).click();
  await expect(page.getByText('Temporary: in no list')).toBeVisible();
  await page.getByRole('button', { name: 'System prompt' }).click();
  await page.getByRole('textbox').last().fill('Answer in one word.');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('input[type=file]').setInputFiles([
    { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('some notes') },
    { name: 'picture.png', mimeType: 'image/png', buffer: Buffer.from([0x89, 0x50, 0, 0xff]) },
  ]);
  await expect(page.locator('.chips li')).toHaveText(['notes.txt']);
  await expect(page.getByText('picture.png is not a text file')).toBeVisible();
  await ask(page, 'What do they say?');
  await expect(page.locator('article.assistant')).toContainText('ok');
  await expect(page.locator('article.user')).toContainText('1 attached file');
  expect(sent).toBe('What do they say?');
  const made = [...stage.conversations.values()].at(-1).conversation;
  expect([made.temporary, made.system_prompt]).toEqual([true, 'Answer in one word.']);
  await expect(page.locator('.conversation')).toHaveCount(2);
});

test('a draft is kept by the door, for another device', async ({ page, stage, context }) => {
  await page.goto(`${stage.url}/#c1`);
  await page.getByRole('textbox', { name: 'Message' }).fill('half a thought');
  await expect.poll(() => stage.conversations.get('c1').draft?.text).toBe('half a thought');
  const other = await context.newPage();
  await other.goto(`${stage.url}/#c1`);
  await expect(other.getByRole('textbox', { name: 'Message' })).toHaveValue('half a thought');
});

test('an answer that broke off is gone on with', async ({ page, stage }) => {
  const kept = stage.keep('c3', 'Broken', ['Tell me all', 'The first half']);
  kept.messages[1].state = 'partial';
  await page.goto(`${stage.url}/#c3`);
  await expect(page.getByText('This answer broke off.')).toBeVisible();
  stage.play = async (played) => {
    played.push('text', { text: 'The first half and the second.' });
    played.push('done', { message: null, state: 'whole', usage: {} });
  };
  await page.getByRole('button', { name: 'Go on from here' }).click();
  await expect(page.locator('article.assistant')).toContainText('The first half and the second.');
  await expect(page.locator('.versions')).toContainText('2 of 2');
});

test('colours are chosen by hand, and stay', async ({ page, stage }) => {
  await page.goto(stage.url);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Colours').selectOption('dark');
  const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  expect(await paper()).toBe('rgb(21, 23, 26)');
  await page.reload();
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  expect(await paper()).toBe('rgb(21, 23, 26)');
});

test('few requests, nothing twice, and it can be installed', async ({ page, stage }) => {
  const requests = [];
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  await page.goto(stage.url);
  await expect(row(page, 'About keys')).toBeVisible();
  expect(requests.length, requests.join(' ')).toBeLessThanOrEqual(12);
  expect(new Set(requests).size, requests.join(' ')).toBe(requests.length);
  const manifest = await (await page.request.get(`${stage.url}/app/static/manifest.webmanifest`)).json();
  expect([manifest.start_url, manifest.display]).toEqual(['/', 'standalone']);
  for (const { src, type } of manifest.icons) {
    const icon = await page.request.get(stage.url + src);
    expect([icon.status(), icon.headers()['content-type']]).toEqual([200, type]);
  }
});

test('screen readers hear sentences, and the state apart from them', async ({ page, stage }) => {
  let go;
  stage.play = async (played) => {
    played.push('queued', { position: 2, eta_s: [5, 9], reason: 'capacity' });
    await new Promise((resolve) => (go = resolve));
    played.push('text', { text: 'The **first** sentence. The second' });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    played.push('text', { text: ' one ends here.' });
    played.push('done', { message: null, state: 'whole', usage: {} });
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(page.locator('div[role=status]').last()).toHaveText('You are in the queue. 1 before you. About 5–9 s.');
  go();
  await expect(page.getByRole('log').locator('p')).toHaveText(['The first sentence.']);
  await expect(page.getByRole('log').locator('p')).toHaveText(['The first sentence.', 'The second one ends here.', 'The answer is complete.']);
});

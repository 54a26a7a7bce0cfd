// A conversation of a thousand messages: opened fast, found in, and scrolled.
import { expect, test } from '../fixtures.mjs';

const ELEMENTS_MAX = 5_000;
const MESSAGES = 1_000;

const paragraph = (at) =>
  `## Part ${at}\n\nThis is message **${at}** of the conversation, with \`code\`, a list and a table.\n\n- one\n- two\n- three\n\n` +
  `| a | b |\n|---|---|\n| ${at} | x |\n\n\`\`\`js\nconst at = ${at};\n\`\`\`\n\n${'Some words that fill the message up to about two kilobytes. '.repeat(28)}\n\nneedle-${at}`;

test('a thousand messages', async ({ page, stage }) => {
  stage.signIn();
  stage.keep('long', 'A long one', Array.from({ length: MESSAGES }, (_, at) => paragraph(at + 1)));
  await page.goto(`${stage.url}/#long`);
  await expect(page.locator('article')).toHaveCount(MESSAGES, { timeout: 30_000 });
  await expect(page.getByText('needle-1000')).toBeVisible();
  const elements = await page.evaluate(() => document.querySelectorAll('*').length);
  console.log(`1,000 messages: ${elements} elements`);
  expect(elements).toBeLessThanOrEqual(ELEMENTS_MAX);
  // The newest are formatted, the oldest are their words, and the browser's own search finds those.
  await expect(page.locator('article').last().locator('table')).toHaveCount(1);
  await expect(page.locator('article').first().locator('table')).toHaveCount(0);
  expect(await page.evaluate(() => window.find('needle-17', false, false, true))).toBe(true);
  // Near what is looked at, a message gets its looks.
  await page.locator('.scroller').evaluate((scroller) => (scroller.scrollTop = 0));
  await expect(page.locator('article').nth(1).locator('table')).toHaveCount(1);
});

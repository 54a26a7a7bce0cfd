// Figures of the chat, printed and not judged: they mean something on a quiet machine only.
//   PAGES_FIGURES=1 tests/pages/run.sh
import { ask, expect, pause, test } from '../fixtures.mjs';

const TOKENS = 10_000;
const TOKENS_PER_S = 100;
const paragraph = (at) => `Message **${at}** with \`code\`.\n\n- one\n- two\n\n${'Some words that fill it up to about two kilobytes. '.repeat(38)}`;

/** Seconds of a core that the page's main thread had, so far: what else runs on the machine does not count. */
async function worked(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    const value = (name) => metrics.find((metric) => metric.name === name).value;
    return { task: value('TaskDuration'), script: value('ScriptDuration'), heap: value('JSHeapUsedSize') / 1e6 };
  };
}

const longest = (page) =>
  page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
    }).observe({ type: 'longtask' });
  });

test('a thousand messages are opened', async ({ page, stage }) => {
  stage.signIn();
  stage.keep('long', 'A long one', Array.from({ length: 1_000 }, (_, at) => paragraph(at + 1)));
  await page.goto(stage.url);
  await expect(page.locator('.conversation')).toHaveCount(1);
  const read = await worked(page);
  const before = await read();
  await page.locator('.conversation a.open').click();
  await expect(page.locator('article')).toHaveCount(1_000);
  await pause(500);
  const after = await read();
  const elements = await page.evaluate(() => document.querySelectorAll('*').length);
  console.log(`1,000 messages: ${Math.round((after.task - before.task) * 1e3)} ms of the main thread, ${elements} elements, heap ${after.heap.toFixed(1)} MB`);
});

test('a long answer is streamed', async ({ page, stage }) => {
  test.setTimeout(200_000);
  const words = ['The ', 'door ', '**holds** ', 'each ', 'caller ', 'to ', '`limits`', '. '];
  stage.play = async (played) => {
    const began = performance.now();
    for (let token = 0; token < TOKENS; ) {
      const due = Math.min(Math.floor(((performance.now() - began) / 1e3) * TOKENS_PER_S), TOKENS);
      for (; token < due; token += 1) {
        const line = token % 400;
        const code = line > 300 ? `let token_${token} = 1;${token % 4 ? ' ' : '\n'}` : words[token % 8];
        played.push('text', { text: line === 300 ? '\n\n```rust\n' : line === 399 ? '\n```\n\n' : line % 60 === 59 ? '\n\n' : code });
      }
      await pause(5);
    }
    played.push('done', { message: null, state: 'whole', usage: {} });
  };
  await page.goto(stage.url);
  await longest(page);
  const read = await worked(page);
  const before = await read();
  const began = performance.now();
  await ask(page, 'go');
  await expect(page.getByRole('log')).toContainText('The answer is complete.', { timeout: 180_000 });
  const seconds = (performance.now() - began) / 1e3;
  const after = await read();
  const share = ((after.task - before.task) / seconds) * 100;
  console.log(`${TOKENS} tokens at ${TOKENS_PER_S}/s: ${share.toFixed(1)} % of a core, longest task ${Math.round(await page.evaluate(() => window.longest))} ms`);
});

test('a reload in the middle catches up', async ({ page, stage }) => {
  stage.signIn();
  stage.play = async (played) => {
    for (let at = 0; at < 400; at += 1) {
      played.push('text', { text: `word${at} ` });
      await pause(10);
    }
    played.push('done', { message: null, state: 'whole', usage: {} });
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(page.locator('article.assistant')).toContainText('word150 ');
  await page.reload({ waitUntil: 'commit' });
  const ms = await page.evaluate(
    () =>
      new Promise((done) => {
        const look = () => (document.querySelector('article.assistant')?.textContent.includes('word150 ') ? done(performance.now()) : requestAnimationFrame(look));
        look();
      }),
  );
  console.log(`reloaded in the middle: caught up ${Math.round(ms)} ms after the navigation began`);
});

// Figures of the chat, kept and not judged: they mean something on a quiet machine only. Each is a line of
// JSON in the file that PAGES_FIGURES names; benches/pages.sh makes tables of them.
import { appendFileSync } from 'node:fs';
import { ask, expect, pause, test } from '../fixtures.mjs';

const MESSAGES = 1_000;
const TOKENS = 10_000;
const TOKENS_PER_S = 100;
/** Of the answer whose tasks are traced: several turns of all that the long one has. */
const TOKENS_TRACED = 2_000;
/** The browser's own words for a task that is too long to go unnoticed; shorter ones it does not tell. */
const LONG_TASK_MS = 50;
const paragraph = (at) => `Message **${at}** with \`code\`.\n\n- one\n- two\n\n${'Some words that fill it up to about two kilobytes. '.repeat(38)}`;

function keep(what, figures) {
  console.log(what, figures);
  appendFileSync(process.env.PAGES_FIGURES, `${JSON.stringify({ what, ...figures })}\n`);
}

const rounded = (value, digits = 1) => Number(value.toFixed(digits));

/**
 * What the page's main thread does from now on: its processor time (what else runs on the machine does not
 * count) and its longest task by the clock. The page is left alone meanwhile: looking at it would be measured.
 */
async function watched(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  await page.evaluate(() => {
    globalThis.longTasks = [];
    new PerformanceObserver((list) => globalThis.longTasks.push(...list.getEntries().map((task) => task.duration))).observe({ type: 'longtask' });
  });
  const before = await read();
  const began = performance.now();
  return async () => {
    const seconds = (performance.now() - began) / 1e3;
    const after = await read();
    const ms = (name) => rounded((after[name] - before[name]) * 1e3);
    const tasks = await page.evaluate(() => globalThis.longTasks);
    return {
      seconds: rounded(seconds, 2),
      main_ms: ms('TaskDuration'),
      script_ms: ms('ScriptDuration'),
      style_ms: ms('RecalcStyleDuration'),
      layout_ms: ms('LayoutDuration'),
      heap_mb: rounded(after.JSHeapUsedSize / 1e6),
      elements: await page.evaluate(() => document.getElementsByTagName('*').length),
      long_tasks: tasks.filter((task) => task > LONG_TASK_MS).length,
      longest_ms: Math.round(Math.max(0, ...tasks)),
    };
  };
}

/** The longest task of the page's main thread in processor time, as the browser's tracing has it, which costs some itself. */
async function longestTask(browser, page, act) {
  await browser.startTracing(page, { categories: ['-*', 'toplevel'] });
  await act();
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const thread = ({ pid, tid }) => `${pid}.${tid}`;
  const mains = new Set(traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(thread));
  const tasks = traceEvents.filter((event) => event.name.endsWith('RunTask') && event.tdur > 0 && mains.has(thread(event)));
  return { tasks: tasks.length, longest_processor_ms: rounded(tasks.reduce((most, { tdur }) => Math.max(most, tdur), 0) / 1e3) };
}

/** Plays an answer of so many tokens, each when it is due; what is returned resolves when the last was said. */
function played(stage, tokens) {
  const words = ['The ', 'door ', '**holds** ', 'each ', 'caller ', 'to ', '`limits`', '. '];
  return new Promise((said) => {
    stage.play = async (answer) => {
      const began = performance.now();
      for (let token = 0; token < tokens; ) {
        const due = Math.min(Math.floor(((performance.now() - began) / 1e3) * TOKENS_PER_S), tokens);
        for (; token < due; token += 1) {
          const line = token % 400;
          const code = line > 300 ? `let token_${token} = 1;${token % 4 ? ' ' : '\n'}` : words[token % 8];
          answer.push('text', { text: line === 300 ? '\n\n```rust\n' : line === 399 ? '\n```\n\n' : line % 60 === 59 ? '\n\n' : code });
        }
        await pause(5);
      }
      answer.push('done', { message: null, state: 'whole', usage: {} });
      said();
    };
  });
}

test('a thousand messages are opened', async ({ page, stage }) => {
  stage.signIn();
  stage.keep('long', 'A long one', Array.from({ length: MESSAGES }, (_, at) => paragraph(at + 1)));
  await page.goto(stage.url);
  await expect(page.locator('.conversation')).toHaveCount(1);
  await pause(1_000);
  const read = await watched(page);
  await page.evaluate(() => document.querySelector('.conversation a.open').click());
  for (let shown = 0; shown < MESSAGES; ) {
    await pause(100);
    shown = await page.evaluate(() => document.getElementsByTagName('article').length);
  }
  await pause(500);
  keep('open', await read());
  await expect(page.locator('article').last().locator('code')).toHaveText('code');
});

test('a long answer is streamed', async ({ page, stage }) => {
  test.setTimeout(300_000);
  const whole = played(stage, TOKENS);
  await page.goto(stage.url);
  await pause(1_000);
  const read = await watched(page);
  await ask(page, 'go');
  await whole;
  await pause(500);
  const figures = await read();
  keep('stream', { ...figures, core_percent: rounded(figures.main_ms / figures.seconds / 10) });
  await expect(page.getByRole('log')).toContainText('The answer is complete.');
});

test('tasks of a long answer', async ({ browser, page, stage }) => {
  test.setTimeout(300_000);
  const whole = played(stage, TOKENS_TRACED);
  await page.goto(stage.url);
  await pause(1_000);
  const figures = await longestTask(browser, page, async () => {
    await ask(page, 'go');
    await whole;
    await pause(500);
  });
  keep('tasks', { tokens: TOKENS_TRACED, ...figures });
  await expect(page.getByRole('log')).toContainText('The answer is complete.');
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
  await expect(page.locator('article.assistant')).toContainText('word150 ', { timeout: 30_000 });
  await page.reload({ waitUntil: 'commit' });
  const ms = await page.evaluate(
    () =>
      new Promise((done) => {
        const look = () => (document.querySelector('article.assistant')?.textContent.includes('word150 ') ? done(performance.now()) : requestAnimationFrame(look));
        look();
      }),
  );
  keep('reload', { caught_up_ms: Math.round(ms) });
});

// Talking: streaming, reload, lost connections, stopping, versions, the queue, refusals.
import { ask, expect, pause, test } from '../fixtures.mjs';

const done = { message: null, state: 'whole', request_id: 'req_stage', usage: {} };

/** Plays `pieces`, one every `ms`. */
const slowly = (pieces, ms = 20) => async (played) => {
  played.push('started', { model: 'handbook' });
  for (const text of pieces) {
    if (played.over) return;
    played.push('text', { text });
    await pause(ms);
  }
  if (!played.over) played.push('done', done);
};

const answers = (page) => page.locator('article.assistant');

test('a visitor asks and reads while it is written', async ({ page, stage }) => {
  stage.play = slowly(['# Title\n\nFirst ', '**words**', '\n\n- one\n', '- two\n\n', '```rust\nfn main() {}\n', '```\n']);
  await page.goto(stage.url);
  await ask(page, 'What is this?');
  await expect(page.locator('.asked')).toHaveText('What is this?');
  await expect(answers(page).locator('h3')).toHaveText('Title');
  await expect(answers(page).locator('strong')).toHaveText('words');
  await expect(answers(page).locator('li')).toHaveText(['one', 'two']);
  await expect(answers(page).locator('pre .hljs-keyword')).toHaveText('fn');
  await expect(page.getByRole('log')).toContainText('The answer is complete.');
  await expect(page.getByRole('button', { name: 'Copy', exact: true }).last()).toBeVisible();
});

test('it follows what is written, and leaves alone who scrolled up', async ({ page, stage }) => {
  let more;
  const scrolled = new Promise((resolve) => (more = resolve));
  const lines = (from) => Array.from({ length: 120 }, (_, at) => `Line ${from + at} of it.\n\n`);
  stage.play = async (played) => {
    for (const text of lines(0)) played.push('text', { text });
    await scrolled;
    for (const text of lines(120)) played.push('text', { text });
    played.push('done', done);
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(answers(page)).toContainText('Line 119 of it.');
  await expect(answers(page).getByText('Line 119 of it.')).toBeInViewport();
  await page.locator('.scroller').hover();
  await page.mouse.wheel(0, -1_500);
  await expect(page.getByRole('button', { name: 'To the newest' })).toBeVisible();
  const top = await page.locator('.scroller').evaluate((scroller) => scroller.scrollTop);
  more();
  await expect(answers(page)).toContainText('Line 239 of it.');
  await expect(page.getByRole('button', { name: 'Another answer' })).toBeAttached();
  expect(await page.locator('.scroller').evaluate((scroller) => scroller.scrollTop)).toBe(top);
  await page.getByRole('button', { name: 'To the newest' }).click();
  await expect(answers(page).getByText('Line 239 of it.')).toBeInViewport();
});

test('an answer that ends stays as it was made', async ({ page, stage }) => {
  stage.signIn();
  let end;
  const told = new Promise((resolve) => (end = resolve));
  stage.play = async (played) => {
    played.push('text', { text: 'One **paragraph**.\n\n```rust\nfn main() {}\n```\n\nThe last' });
    await told;
    played.push('text', { text: ' words.' });
    played.push('done', done);
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(answers(page)).toContainText('The last');
  const made = await answers(page).locator('.md > p').first().elementHandle();
  end();
  await expect(page.getByRole('button', { name: 'Another answer' })).toBeVisible();
  await expect(answers(page).locator('.md')).toContainText('The last words.');
  await expect(answers(page).locator('pre .hljs-keyword')).toHaveText('fn');
  expect(await made.evaluate((node) => node.isConnected)).toBe(true);
});

test('a long answer that comes at once is whole and in order', async ({ page, stage }) => {
  const blocks = Array.from({ length: 600 }, (_, at) => (at % 9 === 4 ? `\`\`\`js\nlet at = ${at};\n\`\`\`` : `Block **${at}** of \`many\`, with some words in it.`));
  stage.play = async (played) => {
    played.push('text', { text: blocks.join('\n\n') });
    played.push('done', done);
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  const said = answers(page).locator('.md');
  await expect(said).toContainText('Block 599 of many');
  const numbers = (await said.innerText()).match(/(?<=Block |let at = )\d+/g).map(Number);
  expect(numbers).toEqual(blocks.map((_, at) => at));
});

test('an example is asked by one click', async ({ page, stage }) => {
  await page.goto(stage.url);
  await page.getByRole('button', { name: 'How do I connect a model server?' }).click();
  await expect(answers(page)).toContainText('You asked: How do I connect a model server?');
});

test('lost connections lose no byte', async ({ page, stage }) => {
  const words = Array.from({ length: 60 }, (_, at) => `word${at} ä漢😀 `);
  stage.play = slowly(words, 10);
  stage.breaks = 3;
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(page.getByRole('log')).toContainText('The answer is complete.', { timeout: 20_000 });
  expect((await answers(page).locator('.md').innerText()).trim()).toBe(words.join('').trim());
});

test('reloaded in the middle, the answer goes on and is the same', async ({ page, stage }) => {
  stage.signIn();
  const words = Array.from({ length: 120 }, (_, at) => `w${at} `);
  stage.play = slowly(words, 20);
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(answers(page)).toContainText('w9 ');
  await page.reload();
  await expect(answers(page)).toContainText('w9 ');
  await expect(page.getByRole('log')).toContainText('The answer is complete.');
  expect((await answers(page).locator('.md').innerText()).trim()).toBe(words.join('').trim());
});

test('stopped, it says so, and what was shown stays', async ({ page, stage }) => {
  stage.signIn();
  stage.play = slowly(Array.from({ length: 2000 }, (_, at) => `w${at} `), 10);
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(answers(page)).toContainText('w5 ');
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(answers(page)).toContainText('You stopped this answer.');
  await expect(answers(page)).toContainText('w5 ');
});

test('an edit and another answer are versions, and both stay', async ({ page, stage }) => {
  stage.signIn();
  let count = 0;
  stage.play = async (played, question) => {
    count += 1;
    played.push('text', { text: `${count}: ${question}` });
    played.push('done', done);
  };
  await page.goto(stage.url);
  await ask(page, 'first');
  await expect(answers(page)).toContainText('1: first');
  await page.getByRole('button', { name: 'Another answer' }).click();
  await expect(answers(page)).toContainText('2: first');
  await expect(answers(page).locator('.versions')).toContainText('2 of 2');
  await page.getByRole('button', { name: 'Previous version' }).click();
  await expect(answers(page)).toContainText('1: first');
  await page.locator('article.user').hover();
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByRole('textbox', { name: 'Edit' }).fill('second');
  await page.locator('.edit').getByRole('button', { name: 'Send' }).click();
  await expect(answers(page)).toContainText('3: second');
  await page.locator('article.user').getByRole('button', { name: 'Previous version' }).click();
  await expect(page.locator('.asked')).toHaveText('first');
});

test('versions without an account are held by the page', async ({ page, stage }) => {
  let count = 0;
  stage.play = async (played) => {
    count += 1;
    played.push('text', { text: `answer ${count}` });
    played.push('done', done);
  };
  await page.goto(stage.url);
  await ask(page, 'first');
  await expect(answers(page)).toContainText('answer 1');
  await page.getByRole('button', { name: 'Another answer' }).click();
  await expect(answers(page)).toContainText('answer 2');
  await page.getByRole('button', { name: 'Previous version' }).click();
  await expect(answers(page)).toContainText('answer 1');
  await page.getByRole('button', { name: 'New chat' }).first().click();
  await page.getByRole('navigation').getByRole('button', { name: 'first' }).click();
  await expect(answers(page)).toContainText('answer 1');
});

test('who waits sees the place, and may leave', async ({ page, stage }) => {
  stage.play = async (played) => {
    for (const position of [12, 11, 3]) {
      played.push('queued', { position, eta_s: [40, 80], reason: 'capacity' });
      await pause(50);
    }
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(page.locator('.ticket')).toContainText('2 before you.');
  await expect(page.locator('.ticket')).toContainText('About 40–80 s.');
  await page.getByRole('button', { name: 'Leave the queue' }).click();
  await expect(page.locator('.ticket')).toHaveCount(0);
  await expect(answers(page)).toContainText('You stopped this answer.');
});

test('failed, the question is kept and sent again by one click', async ({ page, stage }) => {
  stage.signIn();
  let count = 0;
  stage.play = async (played) => {
    count += 1;
    if (count === 1) {
      played.push('failed', { code: 'upstream_unavailable', message: 'No server of this model answers now.', retry_after_s: 5, kept: true });
    } else {
      played.push('text', { text: 'here it is' });
      played.push('done', done);
    }
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(page.locator('.failed')).toContainText('No server of this model answers now.');
  await expect(page.locator('.failed')).toContainText('upstream_unavailable');
  await page.getByRole('button', { name: 'Send again' }).click();
  await expect(answers(page)).toContainText('here it is');
  await expect(page.locator('.failed')).toHaveCount(0);
});

test('refused at the door, the text stays in the box', async ({ page, stage }) => {
  await page.goto(stage.url);
  stage.refuse = { status: 503, body: { error: { code: 'overloaded', message: 'There is no room now.', request_id: 'req_9' } } };
  await ask(page, 'do not lose me');
  await expect(page.locator('.failed')).toContainText('There is no room now.');
  await expect(page.getByRole('textbox', { name: 'Message' })).toHaveValue('do not lose me');
  await page.keyboard.press('Enter');
  await expect(answers(page)).toContainText('You asked: do not lose me');
});

test('what was withheld is marked at its place, and nothing shown is removed', async ({ page, stage }) => {
  stage.play = async (played) => {
    played.push('text', { text: 'Before. ' });
    played.push('withheld', { rule: 'secrets-out', reason: 'It held what looks like a key.', advice: 'Ask without the key.' });
    played.push('text', { text: 'After.' });
    played.push('done', done);
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  const answer = answers(page);
  await expect(answer.locator('.tombstone')).toContainText('It held what looks like a key.');
  const text = await answer.innerText();
  expect(text.indexOf('Before.')).toBeLessThan(text.indexOf('secrets-out'));
  expect(text.indexOf('secrets-out')).toBeLessThan(text.indexOf('After.'));
});

test('thinking is there for who opens it', async ({ page, stage }) => {
  stage.play = async (played) => {
    played.push('thinking', { text: 'hmm, let me see' });
    played.push('text', { text: 'Done.' });
    played.push('done', done);
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(page.getByText('hmm, let me see')).toBeHidden();
  await page.getByText('What it thought').click();
  await expect(page.getByText('hmm, let me see')).toBeVisible();
});

test('formulas become MathML', async ({ page, stage }) => {
  stage.play = slowly(['Euler: $e^{i\\pi}', '+1=0$ and\n\n$$\\int_0^1 x\\,dx', ' = \\frac12$$\n\nIt costs $5 and $6.\n']);
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(answers(page).locator('math')).toHaveCount(2);
  await expect(answers(page)).toContainText('It costs $5 and $6.');
});

test('a notice of what an incident did stays until it is closed, and the door is told', async ({ page, stage }) => {
  stage.signIn();
  const notice = (id, words) => ({ id, words });
  stage.me.notices = [notice('inc_a', 'Of your requests 2 were not answered.'), notice('inc_b', 'Of your requests 1 broke off.')];
  await page.goto(stage.url);
  const shown = page.locator('.banner');
  await expect(shown).toHaveText(['Of your requests 2 were not answered.', 'Of your requests 1 broke off.']);
  await shown.first().getByRole('button').click();
  await expect(shown).toHaveText(['Of your requests 1 broke off.']);
  await expect.poll(() => stage.calls).toContain('DELETE /app/notices/inc_a');
});

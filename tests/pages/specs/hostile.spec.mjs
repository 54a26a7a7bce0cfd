// What a model says never becomes more than text: whole, and streamed split at every sign.
import { ask, expect, test, watch } from '../fixtures.mjs';
import { HOSTILE } from '../hostile.mjs';

/** What may be in an answer. */
const SAFE = new Set(
  ('a article aside blockquote br button code del div em h2 h3 h4 h5 h6 hr kbd li mark ol p path pre s span strong sub sup svg table tbody td th ' +
    'thead tr ul math semantics mrow mi mo mn msup msub msubsup mfrac msqrt mtext mstyle mspace mover munder munderover mtable mtr mtd menclose ' +
    'mpadded mroot mphantom merror annotation mprescripts mmultiscripts').split(' '),
);

/** The elements and attributes of answers that should not be there. */
async function foreign(page) {
  return page.locator('article.assistant').evaluateAll((answers, safe) => {
    const bad = [];
    for (const element of answers.flatMap((answer) => [...answer.querySelectorAll('*')])) {
      const name = element.localName;
      if (!safe.includes(name)) bad.push(name);
      for (const { name: attribute, value } of element.attributes) {
        if (attribute.startsWith('on') || attribute === 'style' || attribute === 'src' || attribute === 'srcdoc') bad.push(`${name} ${attribute}`);
        if (attribute === 'href' && !/^(https?:\/\/|mailto:)/i.test(value)) bad.push(`${name} ${attribute}=${value}`);
        if (attribute === 'id' || attribute === 'name') bad.push(`${name} ${attribute}=${value}`);
      }
    }
    return bad;
  }, [...SAFE]);
}

/** The last words of an answer: with them all of it is on the page. */
const END = 'the-end-of-it';

async function check(page, stage) {
  let dialogs = 0;
  page.on('dialog', (dialog) => {
    dialogs += 1;
    void dialog.dismiss();
  });
  await page.goto(stage.url);
  await ask(page, 'go');
  await expect(page.getByRole('log')).toContainText('The answer is complete.', { timeout: 45_000 });
  await expect(page.locator('article.assistant')).toContainText(END);
  expect(await foreign(page)).toEqual([]);
  expect(dialogs).toBe(0);
  expect(await page.evaluate(() => ['cookie', 'x'].filter((name) => window[name] instanceof Element))).toEqual([]);
}

test('whole', async ({ page, stage }) => {
  stage.play = async (played) => {
    played.push('text', { text: [...HOSTILE, END].join('\n\n') });
    played.push('done', { message: null, state: 'whole', usage: {} });
  };
  await check(page, stage);
  await expect(page.locator('article.assistant')).toContainText('<script>alert(1)</script>');
});

test('split at every sign', async ({ page, stage }) => {
  stage.play = async (played) => {
    for (const text of [...HOSTILE, END]) {
      // Each sign is an event; the page paints in between.
      for (const sign of `${text}\n\n`) played.push('text', { text: sign });
      await new Promise((next) => setTimeout(next, 60));
    }
    played.push('done', { message: null, state: 'whole', usage: {} });
  };
  await check(page, stage);
});

test('in what models think, in titles, names and refusals', async ({ page, stage }) => {
  stage.signIn();
  stage.me.account.email = '<img src=x onerror=alert(1)>@evil.example';
  stage.me.models = [{ id: 'handbook', label: '<img src=x onerror=alert(1)>', passport: { maker: '<script>alert(1)</script>' } }];
  stage.me.incident = { id: 'i', words: '<img src=x onerror=alert(1)>', since: null };
  stage.me.notices = [{ id: 'i', words: '<svg onload=alert(1)>' }];
  stage.keep('c1', '<img src=x onerror=alert(1)>', HOSTILE.slice(0, 30));
  stage.play = async (played) => {
    played.push('thinking', { text: HOSTILE.join('\n') });
    played.push('failed', { code: '<b>x</b>', message: '<img src=x onerror=alert(1)>', kept: true });
  };
  await page.goto(`${stage.url}/#c1`);
  await expect(page.locator('article')).toHaveCount(30);
  await ask(page, '<img src=x onerror=alert(1)>');
  await expect(page.locator('.failed')).toContainText('<img src=x onerror=alert(1)>');
  expect(await page.locator('img:not(.brand img)').count()).toBe(0);
});

test('a link says where it leads, and an image is only a link', async ({ page, stage }) => {
  stage.play = async (played) => {
    played.push('text', { text: '[bank](https://evil.example/login) ![chart](https://evil.example/c.png) https://evil.example/x [own](/account) [paypal.com](https://evil.example/)' });
    played.push('done', { message: null, state: 'whole', usage: {} });
  };
  await page.goto(stage.url);
  await ask(page, 'go');
  const answer = page.locator('article.assistant .md');
  await expect(answer).toContainText('bank (evil.example)');
  await expect(answer).toContainText('Image: chart (evil.example)');
  await expect(answer).toContainText('paypal.com (evil.example)');
  await expect(answer.locator('a')).toHaveCount(4);
  for (const link of await answer.locator('a').all()) {
    await expect(link).toHaveAttribute('rel', 'noopener noreferrer nofollow ugc');
    await expect(link).toHaveAttribute('target', '_blank');
  }
});

test('the policy itself would stop what got through', async ({ browser, stage }) => {
  const page = await browser.newPage();
  const faults = watch(page);
  await page.goto(stage.url);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  const thrown = await page.evaluate(() => {
    const attempts = {
      html: () => (document.createElement('div').innerHTML = '<img src=x>'),
      script: () => (document.createElement('script').textContent = 'alert(1)'),
      policy: () => window.trustedTypes.createPolicy('mine', { createHTML: (text) => text }),
      again: () => window.trustedTypes.createPolicy('surgewall-md', { createHTML: (text) => text }),
    };
    return Object.entries(attempts).filter(([, attempt]) => {
      try {
        attempt();
        return false;
      } catch {
        return true;
      }
    }).map(([name]) => name);
  });
  expect(thrown).toEqual(['html', 'script', 'policy', 'again']);
  await page.evaluate(() => {
    const image = document.createElement('img');
    image.setAttribute('src', 'https://evil.example/x.png');
    const inline = document.createElement('p');
    inline.setAttribute('style', 'color: red');
    document.body.append(image, inline);
  });
  await expect.poll(() => faults.filter((fault) => fault.includes('img-src')).length).toBeGreaterThan(0);
  await expect.poll(() => faults.filter((fault) => fault.includes('style-src')).length).toBeGreaterThan(0);
  await page.close();
  // They are reported too, to where the metric counts them; here they were meant.
  stage.reports.length = 0;
});

// Every page in light, dark and at 320 px: a picture to look at, and axe finds nothing.
import { ask, expect, picture, test } from '../fixtures.mjs';
import { VIEWS, look } from '../look.mjs';

const RICH = `## How a request goes through

A request passes **twelve steps**, and their order is the *security argument*. See \`pipeline/mod.rs\` and [the drill](https://example.org/drill).

1. It is *identified*: a key, a session, or a network.
2. Its tokens are reserved.
   - input, as estimated
   - output, at most

| Class | Share | Longest wait |
|---|---:|---:|
| established | 0.45 | 120 s |
| anonymous | 0.15 | 20 s |

\`\`\`rust
/// Takes a place at the gate, at once or after a wait.
pub async fn enter(door: &Door, ask: Ask) -> Result<Permit, Refusal> {
    let place = door.gate.queue(ask.class, 12)?; // "fair"
    Ok(place.turn().await)
}
\`\`\`

> Nobody starves.

The predicted wait is $w = \\frac{q + 1}{\\mu}$, where $\\mu$ is the rate of service.
`;

function rich(stage) {
  stage.play = async (played) => {
    played.push('thinking', { text: 'The reader wants the order of the steps.\nA table will help.' });
    played.push('text', { text: RICH });
    played.push('done', { message: null, state: 'whole', request_id: 'req_7Qd0Yw3mXk1b', usage: {} });
  };
}

for (const view of VIEWS) {
  test.describe(view.name, () => {
    test.use({ colorScheme: view.colorScheme, viewport: view.viewport });
    const shot = (name) => `${name}-${view.name}`;

    test('welcome, without an account', async ({ page, stage }) => {
      stage.me.gate = { step: 'invite', reason: 'Since 14:10 new accounts need an invitation, because very many came at once.', since: Date.now() };
      await page.goto(stage.url);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await look(page, shot('welcome'));
    });

    test('welcome, where nothing may be asked without an account', async ({ page, stage }) => {
      stage.me.models = [];
      await page.goto(stage.url);
      await expect(page.getByRole('link', { name: 'Create an account' })).toBeVisible();
      await look(page, shot('welcome-closed'));
    });

    test('a conversation', async ({ page, stage }) => {
      stage.signIn();
      stage.me.models.push({ id: 'deepseek-r1', label: 'DeepSeek R1', passport: { maker: 'DeepSeek', licence: 'MIT', training_data: null, weights: 'sha256:3f9a' } });
      stage.me.incident = { id: 'inc_1', words: 'More people use the service than it can serve at once. Answers take longer; nothing is lost.', since: Date.now() };
      const day = 86_400_000;
      stage.keep('c1', 'Quotas of a course', ['a', 'b'], { updated_at: Date.now() - 9 * day });
      stage.keep('c2', 'Who can read what I write, and for how long is it kept at all?', ['a', 'b'], { updated_at: Date.now() - day });
      rich(stage);
      await page.goto(stage.url);
      await ask(page, 'How does a request go through the door, and who waits for how long?');
      await expect(page.locator('math')).toHaveCount(2);
      await expect(page.locator('.hljs-keyword').first()).toBeVisible();
      await look(page, shot('conversation'));
      await page.locator('.scroller').evaluate((scroller) => (scroller.scrollTop = 0));
      await picture(page, shot('conversation-top'));
      if (view.viewport.width < 900) {
        await page.getByRole('button', { name: 'Conversations' }).click();
        await look(page, shot('list'));
        await page.keyboard.press('Escape');
      } else {
        await page.locator('.conversation').nth(1).hover();
        await page.getByRole('button', { name: /^More: Who can/ }).click();
        await look(page, shot('menu'));
        await page.keyboard.press('Escape');
      }
      await page.getByRole('button', { name: /^About/ }).click();
      await look(page, shot('passport'));
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Share' }).click();
      await page.getByRole('button', { name: 'Make a link' }).click();
      await expect(page.getByRole('link', { name: /stage-token/ })).toBeVisible();
      await look(page, shot('share'));
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'System prompt' }).click();
      await look(page, shot('system-prompt'));
    });

    test('waiting, failed, withheld', async ({ page, stage }) => {
      stage.play = async (played) => played.push('queued', { position: 12, eta_s: [120, 240], reason: 'capacity' });
      await page.goto(stage.url);
      await ask(page, 'May I come in?');
      await expect(page.locator('.ticket')).toBeVisible();
      await look(page, shot('queue'));
      stage.play = async (played) => {
        played.push('text', { text: 'The configuration has three parts. ' });
        played.push('withheld', { rule: 'secrets-out', reason: 'The next sentence held what looks like somebody’s key.', advice: 'Ask for the structure of the file instead.' });
        played.push('text', { text: 'The third one is the ledger.' });
        played.push('done', { message: null, state: 'whole', usage: {} });
      };
      await page.getByRole('button', { name: 'Leave the queue' }).click();
      await page.getByRole('button', { name: 'Another answer' }).click();
      await expect(page.locator('.tombstone')).toBeVisible();
      await look(page, shot('withheld'));
      stage.play = async (played) => played.push('failed', { code: 'upstream_unavailable', message: 'No server of this model answers now.', retry_after_s: 20, kept: true });
      await ask(page, 'And now?');
      await expect(page.locator('.failed')).toBeVisible();
      await look(page, shot('failed'));
    });

    test('settings and help', async ({ page, stage }) => {
      await page.goto(stage.url);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await page.keyboard.press('Control+/');
      await look(page, shot('help'));
      await page.keyboard.press('Escape');
      if (view.viewport.width < 900) await page.getByRole('button', { name: 'Conversations' }).click();
      await page.getByRole('button', { name: 'Settings' }).click();
      await look(page, shot('settings'));
      await page.getByLabel('Language').selectOption('zh');
      await page.getByLabel('颜色').selectOption('dark');
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('你想了解什么？');
      await look(page, shot('chinese'));
    });

    test('right to left', async ({ page, stage }) => {
      stage.play = async (played) => {
        played.push('text', { text: 'مرحبا! هذه **إجابة** من النموذج.\n\n- أولا\n- ثانيا\n\nAnd a line in English.' });
        played.push('done', { message: null, state: 'whole', usage: {} });
      };
      await page.goto(stage.url);
      await ask(page, 'ما هذا؟');
      await expect(page.locator('article.assistant li')).toHaveCount(2);
      await look(page, shot('right-to-left'));
    });
  });
}

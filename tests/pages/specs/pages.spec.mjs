// Every page that the door renders itself, in every view, and with no script where none is needed.
import { ask, expect } from '../fixtures.mjs';
import { VIEWS, look } from '../look.mjs';
import { signUp, test } from '../site.mjs';

/** Pages that everybody may see, and pages of an account. */
const PUBLIC = ['/sign-in', '/sign-up', '/report', '/report/key'];
const OWN = ['/account', '/account/keys', '/account/sessions', '/account/security', '/account/data'];

const name = (path, view) => `page${path.replaceAll('/', '-')}-${view.name}`;

for (const view of VIEWS) {
  test.describe(view.name, () => {
    test.use({ colorScheme: view.colorScheme, viewport: view.viewport });

    test('the status page', async ({ page, site }) => {
      for (const path of ['/', '/history']) {
        const answer = await page.goto(site.status + path);
        expect(answer.status()).toBe(200);
        await look(page, `status${path.replaceAll('/', '-')}${view.name}`);
      }
    });

    test('pages before signing in', async ({ page, site }) => {
      for (const path of PUBLIC) {
        const answer = await page.goto(site.url + path);
        expect(answer.status()).toBe(200);
        await look(page, name(path, view));
      }
    });

    test('pages of an account', async ({ page, site }) => {
      await signUp(page, site, `ann-${view.name}@example.org`);
      await page.getByRole('combobox', { name: 'Model' }).selectOption('double');
      await ask(page, 'say 40');
      await expect(page.getByRole('log')).toContainText('The answer is complete.', { timeout: 30_000 });
      await page.getByRole('button', { name: 'Share' }).click();
      await page.getByRole('button', { name: 'Make a link' }).click();
      const link = await page.getByRole('link', { name: /shared/ }).getAttribute('href');
      for (const path of OWN) {
        const answer = await page.goto(site.url + path);
        expect(answer.status()).toBe(200);
        await look(page, name(path, view));
      }
      await page.goto(link);
      await look(page, `page-shared-${view.name}`);
    });
  });
}

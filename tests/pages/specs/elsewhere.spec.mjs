// Signing up and in with another provider, a certified one: whom its groups and domains let in, which role its
// groups give on the admin listener, and what is said to those who are not let in.
import { expect } from '../fixtures.mjs';
import { lookAround } from '../look.mjs';
import { College } from '../provider.mjs';
import { admin as command, test as base } from '../site.mjs';

const STUDENTS = 'label = "the college"\ngroups_any = ["students"]\nadmin = true\n[[accounts.oidc.grant]]\nof = "deans"\nrole = "admin"\n[[accounts.oidc.grant]]\nof = "students"\nclass = "established"';
const DOMAIN = 'label = "the college’s own"\ndomains = ["college.example"]';

const test = base.extend({
  college: [
    async ({}, use) => {
      const college = await College.start();
      await use(college);
      college.stop();
    },
    { scope: 'worker' },
  ],
  config: [async ({ college }, use) => use(college.config('college', STUDENTS) + college.config('own', DOMAIN)), { scope: 'worker' }],
  /** The origins of both listeners, which the provider knows from here on. */
  origins: [
    async ({ college, site }, use) => {
      const origins = { site: site.url, admin: site.admin.replace('127.0.0.1', 'localhost') };
      const names = ['college', 'own'];
      await college.open(Object.values(origins).flatMap((origin) => names.map((name) => `${origin}/sign-in/back/${name}`)));
      await use(origins);
    },
    { scope: 'worker' },
  ],
});

const at = (origin, path) => (url) => url.origin === origin && url.pathname === path;

/** Goes to the provider from `page` of `origin` by `button`, and says there who one is. */
async function goAs(page, who, origin, path, button) {
  await page.context().clearCookies();
  await page.goto(origin + path);
  await page.getByRole('link', { name: button, exact: true }).click();
  await page.getByRole('link', { name: who, exact: true }).click();
}

const IN = 'Sign in with the college';

test('an account is made and found again, with the class that the group gives', async ({ page, origins }) => {
  await goAs(page, 'bob', origins.site, '/sign-up', 'Go on with the college');
  await page.waitForURL(at(origins.site, '/'));
  await page.goto(`${origins.site}/account`);
  await expect(page.getByText('established', { exact: false })).toBeVisible();
  const account = await page.locator('dd code').innerText();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await goAs(page, 'bob', origins.site, '/sign-in', IN);
  await page.waitForURL(at(origins.site, '/'));
  await page.goto(`${origins.site}/account`);
  await expect(page.locator('dd code')).toHaveText(account);
  await lookAround(page, 'elsewhere-account');
});

test('whom the groups or the domain do not let in is told so', async ({ page, site, origins }) => {
  const refused = 'This account may not sign in here. Please ask whoever runs this service.';
  const accounts = command(site, 'user', 'list');
  await goAs(page, 'eve', origins.site, '/sign-in', IN);
  await expect(page.getByRole('alert')).toHaveText(refused);
  await lookAround(page, 'elsewhere-refused');
  await goAs(page, 'bob', origins.site, '/sign-up', 'Go on with the college’s own');
  await expect(page.getByRole('alert')).toHaveText(refused);
  await goAs(page, 'nobody', origins.site, '/sign-in', IN);
  await expect(page.getByRole('alert')).toHaveText('The sign-in was cancelled.');
  expect(command(site, 'user', 'list')).toBe(accounts);
  // A way back that nobody went is none.
  await page.goto(`${origins.site}/sign-in/back/college?code=x&state=y`);
  await expect(page.getByRole('alert')).toContainText('was not begun here');
});

test('on the admin listener the claim gives the role', async ({ page, origins }) => {
  await goAs(page, 'bob', origins.admin, '/sign-in', IN);
  await expect(page.getByRole('alert')).toContainText('may not sign in here');
  await goAs(page, 'ann', origins.admin, '/sign-in', IN);
  await page.waitForURL(at(origins.admin, '/'));
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
  await page.goto(`${origins.admin}/account`);
  await expect(page.getByText('admin', { exact: true })).toBeVisible();
});

test('the gate is asked for new accounts, and not for those that are there', async ({ page, site, origins }) => {
  command(site, 'gate', 'move', 'invite', '--reason', 'We grow slowly.');
  await goAs(page, 'ann', origins.site, '/sign-in', 'Sign in with the college’s own');
  await page.waitForURL(at(origins.site, '/'));
  await page.goto(`${origins.site}/sign-up`);
  await expect(page.getByText('We grow slowly.')).toBeVisible();
  await lookAround(page, 'elsewhere-gate');
});

// Lighthouse (its mobile profile) over the pages of a fresh door: the front page, signing in, the status page.
//   node lighthouse.mjs ROOT ROUNDS FILE
// appends a line of JSON to FILE for each page and round. SURGEWALL, MODEL_DOUBLE and CHROMIUM name programs.
import { appendFileSync } from 'node:fs';
import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';

const [root, rounds, file] = process.argv.slice(2);
const { startDoor, startDouble } = await import(`${root}/tests/pages/door.mjs`);
const CATEGORIES = ['performance', 'accessibility', 'best-practices'];

const double = await startDouble('rate=50');
const upstream = `[accounts]\nanonymous = true\n[[upstream]]\nname = "local"\nurl = "${double.url}/v1"\nmodels = ["double"]\n`;
const door = await startDoor(upstream);
const named = (url) => url.replace('127.0.0.1', 'localhost');
const pages = { chat: `${named(door.public)}/`, 'sign-in': `${named(door.public)}/sign-in`, status: `${named(door.status)}/` };

async function visit(page, url) {
  const browser = await launch({ chromePath: process.env.CHROMIUM, chromeFlags: ['--headless', '--no-sandbox'], logLevel: 'silent' });
  try {
    const { lhr } = await lighthouse(url, { port: browser.port, onlyCategories: CATEGORIES, logLevel: 'error' });
    if (lhr.runtimeError) throw new Error(`${url}: ${lhr.runtimeError.message}`);
    const value = (name) => lhr.audits[name].numericValue;
    const requests = lhr.audits['network-requests'].details.items;
    const scripts = requests.filter((request) => request.resourceType === 'Script');
    const line = {
      what: 'lighthouse',
      page,
      ...Object.fromEntries(CATEGORIES.map((name) => [name, Math.round(lhr.categories[name].score * 100)])),
      largest_paint_ms: Math.round(value('largest-contentful-paint')),
      blocked_ms: Math.round(value('total-blocking-time')),
      shift: Number(value('cumulative-layout-shift').toFixed(3)),
      requests: requests.length,
      script_kb: Number((scripts.reduce((sum, request) => sum + request.transferSize, 0) / 1000).toFixed(1)),
      failed: Object.values(lhr.audits).filter((audit) => audit.score !== null && audit.score < 0.9 && audit.scoreDisplayMode !== 'informative').map((audit) => audit.id),
      lighthouse: lhr.lighthouseVersion,
      browser: lhr.environment.hostUserAgent.match(/Chrome\/[\d.]+/)[0],
    };
    console.log(JSON.stringify(line));
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  } finally {
    browser.kill();
  }
}

try {
  for (let round = 0; round < Number(rounds); round += 1) {
    for (const [page, url] of Object.entries(pages)) await visit(page, url);
  }
} finally {
  door.stop();
  double.stop();
}

// Holds the budgets: gzipped JavaScript before a page is usable, and how many files that takes.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const KB = 1000;
const names = readdirSync('dist').filter((name) => /\.(js|css)$/.test(name));
const size = (name) => gzipSync(readFileSync(`dist/${name}`), { level: 9 }).length;
const entry = (stem) => names.find((name) => name.startsWith(`${stem}-`) && name.endsWith('.js'));

/** A script and what it imports statically: what has to arrive before it runs. */
function closure(name, found = new Set()) {
  if (!name || found.has(name)) return found;
  found.add(name);
  const code = readFileSync(`dist/${name}`, 'utf8');
  for (const [, , next] of code.matchAll(/(import|from)\s*["']\.\/([^"']+\.js)["']/g)) closure(next, found);
  return found;
}

let failed = false;
function hold(what, value, most, unit) {
  const is = value <= most ? 'within' : 'OVER';
  console.log(`${what}: ${value} ${unit}, ${is} ${most}`);
  failed ||= value > most;
}

for (const [page, most] of [['chat', 110], ['sign-in', 35]]) {
  const scripts = [...closure(entry(page))];
  const bytes = scripts.reduce((sum, name) => sum + size(name), 0);
  hold(`${page} JavaScript, gzip`, Math.round(bytes / KB), most, 'kB');
  // The page, its stylesheet, the manifest, an icon, and the page's own first call.
  hold(`${page} requests`, scripts.length + 5, 12, 'requests');
}
const styles = names.filter((name) => name.endsWith('.css')).reduce((sum, name) => sum + size(name), 0);
hold('all stylesheets, gzip', Math.round(styles / KB), 20, 'kB');
const total = readdirSync('dist').reduce((sum, name) => sum + statSync(`dist/${name}`).size, 0);
hold('everything that is embedded', Math.round(total / KB), 1500, 'kB');
process.exit(failed ? 1 : 0);

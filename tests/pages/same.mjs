// Whether what is committed is what is built. Files are compared byte for byte; compressed forms by what
// they hold, because versions of Node compress differently.
import { readdirSync, readFileSync } from 'node:fs';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

const [committed, built] = process.argv.slice(2);
const open = { gz: gunzipSync, br: brotliDecompressSync };
const names = (folder) => readdirSync(folder).sort();

function held(folder, name) {
  const bytes = readFileSync(`${folder}/${name}`);
  return (open[name.split('.').at(-1)] ?? ((same) => same))(bytes);
}

const all = new Set([...names(committed), ...names(built)]);
const different = [...all].filter((name) => {
  try {
    return !held(committed, name).equals(held(built, name));
  } catch {
    return true;
  }
});
if (different.length > 0) {
  console.error(`web/dist is not what web/ builds (npm run build there, and commit it): ${different.join(', ')}`);
  process.exit(1);
}

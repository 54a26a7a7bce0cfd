// The built door, in a folder of its own, with a model-server double where one is asked for.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LISTEN = '[exposure]\nlisteners = false\n[listen]\npublic = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\nstatus = "127.0.0.1:0"\n';

/** Starts a program and waits for its first line. */
async function begin(command, words, options = {}) {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  let text = '';
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  child.stdout.resume();
  if (!text.includes('\n')) throw new Error(`${command} ended before it was ready`);
  return { child, line: text.split('\n', 1)[0] };
}

export async function startDouble(...words) {
  const { child, line } = await begin(process.env.MODEL_DOUBLE, words);
  return { url: line.split(' ')[1], stop: () => child.kill('SIGKILL') };
}

export async function startDoor(config = '') {
  const folder = mkdtempSync(join(tmpdir(), 'surgewall-pages-'));
  writeFileSync(join(folder, 'surgewall.toml'), LISTEN + config);
  const env = { ...process.env, XDG_CONFIG_HOME: join(folder, 'config'), SURGEWALL_LOG: 'warn', NO_COLOR: '1' };
  const words = ['--config', join(folder, 'surgewall.toml'), '--data-dir', join(folder, 'data')];
  const { child, line } = await begin(process.env.SURGEWALL, [...words, 'serve'], { env });
  const urls = Object.fromEntries([...line.matchAll(/(\w+)=(http:\/\/\S+)/g)].map(([, name, url]) => [name, url.replace(/\/$/, '')]));
  const stop = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...urls, words, env, stop };
}

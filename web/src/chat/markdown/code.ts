// Colours for code: loaded with the first block that names its language.
import { sanitize } from './sanitize';

/** Characters of a block that gets colours; a longer one stays plain. */
const COLOURED_CHARS_MAX = 30_000;

/** The blocks are coloured one after the other, each in a task of its own. */
let last = Promise.resolve();

/** Colours a finished block of code in place, later. */
export function colour(code: HTMLElement): void {
  last = last.then(() => colourNow(code)).catch(() => {});
}

async function colourNow(code: HTMLElement): Promise<void> {
  const language = /(?:^| )language-(\S+)/.exec(code.className)?.[1];
  const text = code.textContent ?? '';
  if (!language || text.length > COLOURED_CHARS_MAX) return;
  const { highlight } = await import('./languages');
  await new Promise((task) => setTimeout(task));
  if (!code.isConnected) return;
  const html = highlight(text, language);
  if (html !== null && code.textContent === text) code.replaceChildren(sanitize(html));
}

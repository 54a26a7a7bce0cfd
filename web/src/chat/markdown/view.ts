// Markdown in the page while it is written: finished blocks are made once and never touched again,
// only the last one is made anew.
import { type Labels, decorate, finish } from './decorate';
import { type Definitions, blocks, codeOf, html, settled } from './parse';
import { sanitize } from './sanitize';

export class View {
  /** Where the text that is not frozen begins. */
  #frozen = 0;
  #links: Definitions = Object.create(null);
  readonly #tail: HTMLElement;
  #open: { language: string; words: Text } | null = null;

  constructor(
    readonly root: HTMLElement,
    readonly labels: Labels,
  ) {
    this.#tail = document.createElement('div');
    this.#tail.className = 'tail';
    root.replaceChildren(this.#tail);
  }

  /** Shows `text`, which begins with what was shown before; `done` where nothing follows. */
  update(text: string, done: boolean): void {
    const rest = text.replaceAll('\r\n', '\n').slice(this.#frozen);
    const tokens = blocks(rest, this.#links);
    const keep = done ? tokens.length : settled(tokens);
    const kept = tokens.slice(0, keep);
    if (kept.length > 0) {
      this.#freeze(kept);
      this.#frozen += kept.reduce((sum, token) => sum + token.raw.length, 0);
    }
    this.#show(tokens.slice(keep));
  }

  #freeze(tokens: ReturnType<typeof blocks>): void {
    const made = this.#make(tokens);
    // Colours and formulas come later, to the same nodes at their new place.
    finish(made);
    this.#tail.before(made);
    this.#open = null;
  }

  #show(tokens: ReturnType<typeof blocks>): void {
    const code = codeOf(tokens);
    if (code && this.#open && this.#open.language === (code.lang ?? '') && this.#grow(code.text)) return;
    const made = this.#make(tokens);
    this.#tail.replaceChildren(made);
    const words = code ? this.#tail.querySelector('code')?.firstChild : null;
    this.#open = words instanceof Text ? { language: code?.lang ?? '', words } : null;
  }

  /** Adds to the block of code that is being written, without making it anew. */
  #grow(code: string): boolean {
    const words = this.#open?.words;
    const shown = words?.data.replace(/\n$/, '');
    if (words === undefined || shown === undefined || !code.startsWith(shown)) return false;
    words.replaceData(shown.length, words.length - shown.length, `${code.slice(shown.length)}\n`);
    return true;
  }

  #make(tokens: ReturnType<typeof blocks>): DocumentFragment {
    const made = sanitize(html(tokens, this.#links));
    decorate(made, this.labels);
    return made;
  }
}

/** Shows a text that is whole. */
export function show(root: HTMLElement, text: string, labels: Labels): void {
  new View(root, labels).update(text, true);
}

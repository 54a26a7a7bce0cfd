// Markdown in the page while it is written: finished blocks are made once and never touched again,
// only the last one is made anew.
import { type Labels, decorate, finish } from './decorate';
import { type Block, type Definitions, blocks, codeOf, html, settled } from './parse';
import { sanitize } from './sanitize';

/** Finished blocks are made for so long at a time; what is left waits for another call. */
const SLICE_MS = 10;
/** Characters of blocks that are made together: fewer cost more for each, more miss the time. */
const TOGETHER_CHARS = 2_000;

export class View {
  /** Where the text begins whose blocks may still change. */
  #settled = 0;
  /** Blocks that will not change, and are not made yet. */
  readonly #waiting: Block[] = [];
  #links: Definitions = Object.create(null);
  readonly #tail: HTMLElement;
  #shown = '';
  #open: { language: string; words: Text } | null = null;

  constructor(
    readonly root: HTMLElement,
    readonly labels: Labels,
  ) {
    this.#tail = document.createElement('div');
    this.#tail.className = 'tail';
    root.replaceChildren(this.#tail);
  }

  /**
   * Shows `text`, which begins with what was shown before; `done` where nothing follows.
   * True where not all of it was made: then this wants to be called again.
   */
  update(text: string, done: boolean): boolean {
    const until = performance.now() + SLICE_MS;
    const rest = text.replaceAll('\r\n', '\n').slice(this.#settled);
    const tokens = blocks(rest, this.#links);
    const tail = tokens.splice(done ? tokens.length : settled(tokens));
    this.#waiting.push(...tokens);
    this.#settled += tokens.reduce((sum, token) => sum + token.raw.length, 0);
    while (this.#waiting.length > 0) {
      this.#freeze(this.#next());
      if (this.#waiting.length > 0 && performance.now() > until) return true;
    }
    this.#show(tail);
    return false;
  }

  /** The next blocks to make, at least one. */
  #next(): Block[] {
    let count = 0;
    for (let chars = 0; count < this.#waiting.length && (count === 0 || chars < TOGETHER_CHARS); count += 1) {
      chars += this.#waiting[count]?.raw.length ?? 0;
    }
    return this.#waiting.splice(0, count);
  }

  #freeze(tokens: Block[]): void {
    const made = this.#make(tokens);
    // Colours and formulas come later, to the same nodes at their new place.
    finish(made);
    this.#tail.replaceChildren();
    this.#tail.before(made);
    this.#open = null;
    this.#shown = '';
  }

  #show(tokens: Block[]): void {
    const raw = tokens.map((token) => token.raw).join('');
    if (raw === this.#shown) return;
    this.#shown = raw;
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

  #make(tokens: Block[]): DocumentFragment {
    const made = sanitize(html(tokens, this.#links));
    decorate(made, this.labels);
    return made;
  }
}

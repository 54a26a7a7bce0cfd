// TeX in Markdown: $...$, $$...$$, \(...\) and \[...\]. The source is shown at once; MathML takes its place
// when the typesetter has arrived, which is loaded with the first formula only.
import type { TokenizerAndRendererExtension } from 'marked';
import { escape } from './escape';

/** Characters of a formula that are typeset; a longer one stays as it is. */
const FORMULA_CHARS_MAX = 5_000;

const BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
const INLINE = /^(?:\$\$([^$]+?)\$\$|\\\(([^\n]+?)\\\)|\\\[([^\n]+?)\\\]|\$(?![\s$])((?:\\.|[^\\$\n])*?(?:\\.|[^\\$\s]))\$(?!\d))/;

function shown(tex: string, display: boolean): string {
  return `<span class="math${display ? ' math-block' : ''}">${escape(tex.trim())}</span>`;
}

export const mathExtensions: TokenizerAndRendererExtension[] = [
  {
    name: 'mathBlock',
    level: 'block',
    start: (text) => /(?:^|\n)(?:\$\$|\\\[)/.exec(text)?.index,
    tokenizer(text) {
      const found = BLOCK.exec(text);
      if (!found) return undefined;
      return { type: 'mathBlock', raw: found[0], tex: found[1] ?? found[2] };
    },
    renderer: (token) => `<p>${shown(token['tex'], true)}</p>\n`,
  },
  {
    name: 'mathInline',
    level: 'inline',
    start: (text) => /\$|\\\(|\\\[/.exec(text)?.index,
    tokenizer(text) {
      const found = INLINE.exec(text);
      if (!found) return undefined;
      const tex = found[1] ?? found[2] ?? found[3] ?? found[4];
      return { type: 'mathInline', raw: found[0], tex, display: found[1] !== undefined || found[3] !== undefined };
    },
    renderer: (token) => shown(token['tex'], token['display']),
  },
];

/** Typesets every formula below `root`. */
export async function typeset(root: ParentNode): Promise<void> {
  const formulas = [...root.querySelectorAll<HTMLElement>('span.math')];
  if (formulas.length === 0) return;
  const { default: temml } = await import('temml');
  for (const formula of formulas) {
    const tex = formula.textContent ?? '';
    if (tex.length > FORMULA_CHARS_MAX || formula.querySelector('math')) continue;
    try {
      const display = formula.classList.contains('math-block');
      temml.render(tex, formula, { displayMode: display, throwOnError: true, trust: false, annotate: false, maxSize: [20, 2000], maxExpand: 500 });
      formula.classList.add('typeset');
    } catch {
      formula.textContent = tex;
    }
  }
}

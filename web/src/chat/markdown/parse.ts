// Markdown to HTML, block by block. The result is not safe yet: see sanitize.ts.
import { type Links, Lexer, Marked, type Token, type Tokens, type TokensList } from 'marked';
import { escape } from './escape';
import { mathExtensions } from './math';

/** Tags that models use where Markdown has no sign; they carry no attribute. */
const PLAIN_TAG = /^<\/?(?:br|kbd|mark|sub|sup)\s*\/?>$/i;

const marked = new Marked({ gfm: true, async: false });
marked.use({
  extensions: mathExtensions,
  renderer: {
    // A model's HTML is shown, not obeyed.
    html({ text, block }) {
      if (PLAIN_TAG.test(text.trim())) return text;
      return block ? `<p class="raw">${escape(text.trimEnd())}</p>\n` : escape(text);
    },
    // Nothing is loaded from elsewhere: an address in an image can carry a conversation out.
    image({ href, text }) {
      return `<a class="image" href="${escape(href)}">${escape(text || href)}</a>`;
    },
    checkbox({ checked }) {
      return checked ? '☑ ' : '☐ ';
    },
    // The page's own headings stand above those of a message.
    heading({ tokens, depth }) {
      const level = Math.min(Math.max(depth + 1, 3), 6);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
    code({ text, lang }) {
      const name = /^[\w+#.-]{1,32}/.exec(lang ?? '')?.[0];
      const kind = name ? ` class="language-${escape(name.toLowerCase())}"` : '';
      return `<pre><code${kind}>${escape(text)}\n</code></pre>\n`;
    },
  },
});

export type Definitions = Links;
export type Block = Token;

/** The blocks of `text`; definitions of links are read from `links` and added to it. */
export function blocks(text: string, links: Definitions): Token[] {
  const lexer = new Lexer(marked.defaults);
  lexer.tokens.links = links;
  return lexer.lex(text);
}

export function html(tokens: Token[], links: Definitions): string {
  const list = Object.assign(tokens.slice(), { links }) as TokensList;
  return marked.parser(list);
}

/** How many of the first blocks nothing that may follow can change. */
export function settled(tokens: Token[]): number {
  let last = tokens.length - 1;
  while (last >= 0 && tokens[last]?.type === 'space') last -= 1;
  const isWhole = last < tokens.length - 1 || tokens[last]?.raw.includes('\n');
  if (!isWhole) {
    // An unfinished line may still turn out to belong to the block before it: `2` to `2. and so on`.
    last -= 1;
    while (last >= 0 && tokens[last]?.type === 'space') last -= 1;
  }
  return Math.max(last, 0);
}

/** The code of a block that is nothing but code. */
export function codeOf(tokens: Token[]): Tokens.Code | null {
  const [first] = tokens;
  return tokens.length === 1 && first?.type === 'code' ? (first as Tokens.Code) : null;
}

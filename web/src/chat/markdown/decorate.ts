// What safe markup gets before it is shown: a head with a button on code, hosts on links, frames
// around tables, a direction on every block.
import { colour } from './code';
import { typeset } from './math';

export interface Labels {
  copy: string;
  table: string;
  image: string;
}

/** Characters of a link's text above which its host is told even if the text seems to hold it. */
const HOST_IN_TEXT_CHARS_MAX = 80;

export function decorate(root: DocumentFragment, labels: Labels): void {
  root.querySelectorAll('pre').forEach((pre) => head(pre, labels));
  root.querySelectorAll('table').forEach((table) => frame(table, labels));
  root.querySelectorAll('a').forEach((link) => host(link, labels));
  for (const block of root.querySelectorAll('p, ul, ol, li, h3, h4, h5, h6, blockquote, td, th')) block.setAttribute('dir', 'auto');
}

/** Colours and formulas of blocks that will not change any more. */
export function finish(root: ParentNode): void {
  root.querySelectorAll<HTMLElement>('pre > code').forEach(colour);
  void typeset(root).catch(() => {});
}

function element(name: string, kind: string, text = ''): HTMLElement {
  const made = document.createElement(name);
  made.className = kind;
  made.textContent = text;
  return made;
}

function head(pre: HTMLPreElement, labels: Labels): void {
  const box = element('div', 'code');
  const language = /(?:^| )language-(\S+)/.exec(pre.firstElementChild?.className ?? '')?.[1] ?? '';
  const bar = element('div', 'code-head');
  const copy = element('button', 'copy', labels.copy);
  copy.setAttribute('type', 'button');
  bar.append(element('span', 'language', language), copy);
  pre.replaceWith(box);
  pre.setAttribute('dir', 'ltr');
  pre.tabIndex = 0;
  box.append(bar, pre);
}

function frame(table: HTMLTableElement, labels: Labels): void {
  const box = element('div', 'table');
  box.tabIndex = 0;
  box.setAttribute('role', 'region');
  box.setAttribute('aria-label', labels.table);
  table.replaceWith(box);
  box.append(table);
}

/** A link says where it leads. What leads nowhere or to this very place is no link. */
function host(link: HTMLAnchorElement, labels: Labels): void {
  let url: URL | null = null;
  try {
    url = new URL(link.getAttribute('href') ?? '');
  } catch {
    // No address of its own: an anchor or a path, and a model has no business with the door's paths.
  }
  if (!url || url.host === location.host) {
    const words = element('span', 'nowhere');
    words.append(...link.childNodes);
    link.replaceWith(words);
    return;
  }
  link.rel = 'noopener noreferrer nofollow ugc';
  link.target = '_blank';
  link.referrerPolicy = 'no-referrer';
  const text = link.textContent ?? '';
  const isTold = text.length <= HOST_IN_TEXT_CHARS_MAX && text.replace(/^https?:\/\//, '').startsWith(url.host);
  if (link.classList.contains('image')) link.prepend(`${labels.image} `);
  if (url.host && (!isTold || text.includes('@'))) link.after(element('span', 'host', ` (${url.host})`));
}

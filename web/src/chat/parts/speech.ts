// From Markdown to words that are read aloud.

const SENTENCE_END = /[.!?…。！？]["'”’)\]*_]*\s|\n/g;

/** Where the last whole sentence of `text` ends; `from` if none ends after it. */
export function sentencesEnd(text: string, from: number): number {
  let end = from;
  for (const found of text.slice(from).matchAll(SENTENCE_END)) end = from + found.index + found[0].length;
  return end;
}

/** Without the signs of Markdown, which nobody wants to hear. */
export function plainWords(text: string): string {
  return text
    .replace(/```[^\n]*\n?|[`*_#>|~]+/g, ' ')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^\s*[-+]\s+/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
}

// The one place where a string becomes markup. What a model says is data: its own HTML is
// shown as text already, and what Markdown made of the rest passes through here.
import DOMPurify from 'dompurify';

interface Policy {
  createHTML(text: string): unknown;
}

interface PolicyFactory {
  createPolicy(name: string, rules: Record<string, (text: string) => string>): Policy;
}

/** The only policy that the pages' CSP allows. It never leaves this file. */
const factory = (window as unknown as { trustedTypes?: PolicyFactory }).trustedTypes;
const policy = factory?.createPolicy('surgewall-md', {
  createHTML: (text) => text,
  createScriptURL: () => '',
});

const TAGS = [
  'a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'kbd', 'li', 'mark', 'ol', 'p',
  'pre', 's', 'span', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
];

/** Markup as nodes: nothing is written out and parsed a second time, so nothing can change its meaning on the way. */
export function sanitize(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ['align', 'class', 'href', 'start', 'title'],
    ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
    ...(policy ? { TRUSTED_TYPES_POLICY: policy as never } : {}),
  });
}

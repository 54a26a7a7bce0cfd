// What the keys do. None of them takes a key that a browser or a screen reader needs.
import { app, NARROW } from './state/app.svelte';
import { copyText } from './ui/copy';

const apple = /Mac|iPhone|iPad/.test(navigator.userAgent);
const CTRL = apple ? '⌘' : 'Ctrl';
const SHIFT = apple ? '⇧' : 'Shift';

/** What can be done by keys, as the help shows it. */
export const shortcuts = [
  { name: 'new', keys: [CTRL, SHIFT, 'O'] },
  { name: 'search', keys: [CTRL, 'K'] },
  { name: 'sidebar', keys: [CTRL, SHIFT, 'S'] },
  { name: 'focus', keys: [SHIFT, 'Esc'] },
  { name: 'copy', keys: [CTRL, SHIFT, 'Y'] },
  { name: 'stop', keys: ['Esc'] },
  { name: 'help', keys: [CTRL, '/'] },
] as const;

type Name = (typeof shortcuts)[number]['name'];

const focus = (id: string) => setTimeout(() => document.getElementById(id)?.focus());

const acts: Record<Name, () => void> = {
  'new': () => {
    app.fresh();
    focus('message');
  },
  search: () => {
    app.sidebar = true;
    focus('search');
  },
  sidebar: () => (app.sidebar = !app.sidebar),
  focus: () => focus('message'),
  copy: () => {
    const last = app.thread.live?.text || app.thread.turns.findLast((turn) => turn.role === 'assistant')?.text;
    if (last) void copyText(last);
  },
  stop: () => {
    // A menu that is open closes by itself.
    if (document.querySelector(':popover-open')) return;
    if (app.sidebar && matchMedia(NARROW).matches) app.sidebar = false;
    else if (app.thread.live && !app.thread.live.over) void app.thread.live.stop();
  },
  help: () => (app.dialog = 'help'),
};

function meant(event: KeyboardEvent): Name | null {
  const ctrl = apple ? event.metaKey : event.ctrlKey;
  if (event.key === 'Escape') return event.shiftKey ? 'focus' : 'stop';
  if (!ctrl || event.altKey) return null;
  if (event.shiftKey) return { KeyO: 'new', KeyS: 'sidebar', KeyY: 'copy' }[event.code] as Name | null;
  return event.key === '/' ? 'help' : event.code === 'KeyK' ? 'search' : null;
}

export function keyed(event: KeyboardEvent): void {
  // An open dialog has the keys to itself.
  if (app.dialog || event.defaultPrevented) return;
  const name = meant(event);
  if (!name) return;
  if (name !== 'stop') event.preventDefault();
  acts[name]();
}

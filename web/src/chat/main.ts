// The chat begins here.
import '../styles/tokens.css';
import '../styles/base.css';
import './styles/layout.css';
import './styles/turns.css';
import './styles/markdown.css';
import './styles/controls.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { app, NARROW } from './state/app.svelte';
import { list } from './state/list.svelte';
import { session } from './state/session.svelte';
import { settings } from './state/settings.svelte';

/** How often the page asks what goes on, while somebody looks at it. */
const NEWS_MS = 60_000;

settings.apply();
app.sidebar = !matchMedia(NARROW).matches;
const root = document.getElementById('app');
if (root) mount(App, { target: root });
void session.load().then(async () => {
  if (session.signedIn) void list.load().catch(() => {});
  await app.route();
  // Where there is a keyboard already: on a phone it would cover half of the page.
  if (matchMedia('(hover: hover)').matches) document.getElementById('message')?.focus();
});
setInterval(() => document.visibilityState === 'visible' && void session.load(), NEWS_MS);

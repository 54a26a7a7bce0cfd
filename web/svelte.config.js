// Markup is made element by element: no page needs a policy that makes HTML out of any string.
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

export default {
  preprocess: vitePreprocess(),
  compilerOptions: { runes: true, fragments: 'tree' },
};

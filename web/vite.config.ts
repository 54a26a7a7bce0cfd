// How the pages are built: three entries, hashed names, compressed forms beside each file.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** What shrinks when it is compressed. */
const TEXT = /\.(js|css|html|svg|webmanifest)$/;

/** Writes NAME.gz and NAME.br beside every text file, where that is shorter. */
function precompress(folder: string): Plugin {
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  return {
    name: 'precompress',
    apply: 'build',
    closeBundle() {
      for (const name of readdirSync(folder).filter((name) => TEXT.test(name))) {
        const path = join(folder, name);
        if (!statSync(path).isFile()) continue;
        const plain = readFileSync(path);
        const forms = { gz: gzipSync(plain, { level: 9 }), br: brotliCompressSync(plain, brotli) };
        for (const [end, form] of Object.entries(forms)) {
          if (form.length < plain.length) writeFileSync(`${path}.${end}`, form);
        }
      }
    },
  };
}

/** The page is drawn by its script: nothing is painted before it, so that no wrong theme flashes. */
const renderBlocking: Plugin = {
  name: 'render-blocking',
  transformIndexHtml: {
    order: 'post',
    handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
  },
};

export default defineConfig({
  base: '/app/static/',
  logLevel: 'warn',
  plugins: [svelte(), renderBlocking, precompress('dist')],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // From here on browsers have light-dark().
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      checks: { pluginTimings: false },
      input: { chat: 'index.html', 'sign-in': 'src/sign-in/main.ts', admin: 'src/admin/main.ts', pages: 'src/styles/pages.css' },
      output: {
        hashCharacters: 'hex',
        entryFileNames: '[name]-[hash].js',
        chunkFileNames: '[name]-[hash].js',
        assetFileNames: '[name]-[hash][extname]',
      },
    },
  },
});

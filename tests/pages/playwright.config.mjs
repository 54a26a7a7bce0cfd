// Debian's Chromium, one page after the other: the machine has few cores, and times are looked at.
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: '.',
  testMatch: process.env.PAGES_FIGURES ? 'figures/*.spec.mjs' : 'specs/*.spec.mjs',
  workers: 2,
  fullyParallel: false,
  forbidOnly: true,
  reporter: [['line']],
  timeout: 60_000,
  expect: { timeout: 10_000 },
  outputDir: process.env.PAGES_OUT ? `${process.env.PAGES_OUT}/traces` : 'out',
  use: {
    browserName: 'chromium',
    viewport: { width: 1280, height: 860 },
    locale: 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write'],
    launchOptions: { executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] },
  },
});

// Copying, and the word that says so for a moment.
const SAID_MS = 1_600;

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** For buttons that Markdown brought: one listener for all of them. */
export async function copyCode(event: MouseEvent, done: string): Promise<void> {
  const button = (event.target as Element | null)?.closest?.('button.copy');
  const code = button?.closest('.code')?.querySelector('pre')?.textContent;
  if (!button || code === undefined || code === null) return;
  const said = button.textContent;
  if (said === done || !(await copyText(code.replace(/\n$/, '')))) return;
  button.textContent = done;
  setTimeout(() => (button.textContent = said), SAID_MS);
}

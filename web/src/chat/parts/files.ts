// Text files that are attached to a message.
import type { Attachment } from '../net/types';

/** As the door has it. */
export const FILES_MAX = 16;
const FILE_BYTES_MAX = 1 << 20;

/** The file's text, or `null` if it is none or too large. */
export async function readText(file: File): Promise<Attachment | null> {
  if (file.size > FILE_BYTES_MAX) return null;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
    return text.includes('\0') ? null : { name: file.name, text };
  } catch {
    return null;
  }
}

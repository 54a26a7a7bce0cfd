// Server-sent events over fetch, and an answer's stream that survives broken connections.
import { errorOf } from './api';
import type { AnswerEvent } from './types';

export interface Frame {
  id: string | null;
  name: string;
  data: string;
}

/** Frames out of chunks, wherever those were cut. */
export class Frames {
  #rest = '';

  push(chunk: string): Frame[] {
    const text = this.#rest + chunk;
    const parts = text.split(/\r?\n\r?\n/);
    this.#rest = parts.pop() ?? '';
    return parts.map(parse).filter((frame) => frame !== null);
  }
}

function parse(block: string): Frame | null {
  const frame: Frame = { id: null, name: 'message', data: '' };
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') frame.id = value;
    else if (field === 'event') frame.name = value;
    else if (field === 'data') data.push(value);
  }
  if (data.length === 0) return null;
  frame.data = data.join('\n');
  return frame;
}

/** Nothing for this long, not even a comment: the connection is given up and made anew. */
const SILENCE_MS_MAX = 45_000;
const PAUSE_MS_MAX = 8_000;
/** Between two reads: what comes meanwhile waits in the connection and is taken in one piece. */
const READ_PAUSE_MS = 50;

export interface Listener {
  event(event: AnswerEvent): void;
  /** Whether the connection holds; it is made anew by itself. */
  connected(holds: boolean): void;
}

/** Reads the answer `id` to its end. `gone` where the door knows of no such answer. */
export async function follow(id: string, listener: Listener, signal: AbortSignal): Promise<'ended' | 'gone'> {
  let last: string | null = null;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const take = (frame: Frame) => {
        failures = 0;
        if (frame.id !== null) last = frame.id;
        const event = { ...JSON.parse(frame.data), kind: frame.name } as AnswerEvent;
        listener.event(event);
        return event.kind === 'done' || event.kind === 'failed';
      };
      const ended = await attach(id, last, signal, take, () => listener.connected(true));
      if (ended) return ended;
    } catch {
      // A connection that broke, or a door that restarts: the next attempt goes on where this one ended.
      if (signal.aborted) break;
    }
    failures += 1;
    listener.connected(false);
    await pause(Math.min(250 * 2 ** failures, PAUSE_MS_MAX), signal);
  }
  return 'ended';
}

async function attach(
  id: string,
  last: string | null,
  signal: AbortSignal,
  take: (frame: Frame) => boolean,
  opened: () => void,
): Promise<'ended' | 'gone' | null> {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  signal.addEventListener('abort', abort);
  let watchdog = setTimeout(abort, SILENCE_MS_MAX);
  try {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (last !== null) headers['last-event-id'] = last;
    const response = await fetch(`/app/answers/${id}`, { headers, signal: attempt.signal, cache: 'no-store' });
    if (response.status === 404 || response.status === 401) return 'gone';
    if (!response.ok || !response.body) throw await errorOf(response);
    opened();
    const frames = new Frames();
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return null;
      clearTimeout(watchdog);
      watchdog = setTimeout(abort, SILENCE_MS_MAX);
      for (const frame of frames.push(decoder.decode(value, { stream: true }))) {
        if (take(frame)) {
          await reader.cancel().catch(() => {});
          return 'ended';
        }
      }
      // Nobody looks on: then there is nothing to save, and timers of hidden pages are late.
      if (document.visibilityState === 'visible') await pause(READ_PAUSE_MS, signal);
    }
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener('abort', abort);
    attempt.abort();
  }
}

/** Waits, but not when the network has just come back. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener('online', end);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener('online', end);
    signal.addEventListener('abort', end);
  });
}

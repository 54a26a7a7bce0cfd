// One message as the page shows it, wherever it is kept.
import type { Attachment, Ending, Message, Role, Tombstone, Withheld } from '../net/types';

/** Something that was withheld, after so many characters of the text. */
export interface Gap extends Withheld {
  after: number;
}

export interface Turn {
  key: string;
  number: number;
  /** The message that it answers or follows; 0 is none. */
  parent: number;
  role: Role;
  state: Ending;
  /** `null` where its key was destroyed. */
  text: string | null;
  thinking: string;
  model: string;
  requestId: string;
  /** How many files hang on it. */
  files: number;
  /** What was not shown, each with its place in the text. */
  withheld: Gap[];
  position: number;
  siblings: number;
  previous: number;
  next: number;
}

export function turnOf(message: Message): Turn {
  const { attachments, body } = message;
  return {
    key: message.id,
    number: message.number,
    parent: message.parent,
    role: message.role,
    state: message.state,
    text: body?.text ?? null,
    thinking: body?.thinking ?? '',
    model: body?.model ?? '',
    requestId: body?.request_id ?? '',
    files: attachments ?? 0,
    withheld: gaps(body?.text ?? '', body?.withheld ?? []),
    position: message.position ?? 1,
    siblings: message.siblings ?? 1,
    previous: message.previous ?? 0,
    next: message.next ?? 0,
  };
}

/** Places in bytes of UTF-8 as places in characters. */
function gaps(text: string, tombstones: Tombstone[]): Gap[] {
  if (tombstones.length === 0) return [];
  const bytes = new TextEncoder().encode(text);
  return tombstones.map((stone) => ({ ...stone, after: new TextDecoder().decode(bytes.subarray(0, stone.at)).length }));
}

/** A text with what was withheld in it, in order. */
export function pieces(text: string, withheld: Gap[]): { text: string; gap: Gap | null }[] {
  const ends = [...withheld.map((gap) => ({ end: gap.after, gap })), { end: text.length, gap: null }];
  return ends.map(({ end, gap }, at) => ({ text: text.slice(ends[at - 1]?.end ?? 0, end), gap }));
}

/** A turn that is the only one of its kind. */
export function onlyTurn(key: string, number: number, parent: number, role: Role, text: string): Turn {
  return {
    key, number, parent, role, text,
    state: 'complete', thinking: '', model: '', requestId: '', files: 0, withheld: [],
    position: 1, siblings: 1, previous: 0, next: 0,
  };
}

/** What is asked: a text, and files that hang on it. */
export interface Question {
  id: string;
  text: string;
  files: Attachment[];
}

/** The first words of a question, as a title. */
export function titleOf(text: string, charsMax = 60): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  const chars = [...line];
  return chars.length <= charsMax ? line : `${chars.slice(0, charsMax - 1).join('').trimEnd()}…`;
}

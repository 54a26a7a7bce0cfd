// One message as the page shows it, wherever it is kept.
import type { Attachment, Ending, Message, Role, Withheld } from '../net/types';

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
  /** The part that was not shown. */
  withheld: Withheld | null;
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
    files: Array.isArray(attachments) ? attachments.length : (attachments ?? 0),
    withheld: null,
    position: message.position ?? 1,
    siblings: message.siblings ?? 1,
    previous: message.previous ?? 0,
    next: message.next ?? 0,
  };
}

/** A turn that is the only one of its kind. */
export function onlyTurn(key: string, number: number, parent: number, role: Role, text: string): Turn {
  return {
    key, number, parent, role, text,
    state: 'complete', thinking: '', model: '', requestId: '', files: 0, withheld: null,
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

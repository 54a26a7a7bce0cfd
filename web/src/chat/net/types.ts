// What the door says under /app/, as the page reads it.

export interface Model {
  id: string;
  label?: string | null;
  passport?: Record<string, unknown> | null;
}

export interface Account {
  id: string;
  email?: string | null;
  role?: string;
  class?: string;
}

export interface Gate {
  step: string;
  reason: string;
  since?: string | number | null;
}

export interface Incident {
  id: string;
  words: string;
  since?: string | number | null;
}

/** What an incident did to the account's requests. */
export interface Notice {
  id: string;
  words: string;
}

export interface Me {
  account: Account | null;
  models: Model[];
  gate?: Gate | null;
  incident?: Incident | null;
  notices?: Notice[];
  job_detached_s_max?: number;
  plain_http?: boolean;
}

export interface Conversation {
  id: string;
  title: string | null;
  system_prompt?: string | null;
  temporary: boolean;
  archived: boolean;
  created_at: string | number;
  updated_at: string | number;
  messages: number;
  active: number;
}

export type Role = 'user' | 'assistant';
export type Ending = 'complete' | 'stopped' | 'partial';

export interface Body {
  text: string;
  thinking?: string;
  withheld?: Tombstone[];
  model?: string;
  request_id?: string;
}

export interface Attachment {
  name: string;
  text: string;
}

/** A message and its place among its siblings: what an edit or another answer made. */
export interface Message {
  id: string;
  number: number;
  parent: number;
  role: Role;
  state: Ending;
  attachments?: number;
  created_at?: string | number;
  body: Body | null;
  position: number;
  siblings: number;
  previous: number;
  next: number;
}

export interface Page {
  messages: Message[];
  older?: number | null;
}

export interface Opened {
  conversation: Conversation;
  page: Page;
  draft: { text: string } | null;
  answers: { id: string; parent: number; state?: string }[];
}

export interface Hit {
  conversation: string;
  title: string;
  message?: number;
  text: string;
}

export interface Share {
  id: string;
  url?: string;
  leaf?: number;
  expires_at: string | number;
}

export interface Ticket {
  position: number | null;
  eta_s: [number, number] | null;
  reason: string;
}

export interface Failure {
  code: string;
  message: string;
  retry_after_s?: number | null;
  request_id?: string | null;
}

export interface Withheld {
  rule: string;
  reason: string;
  advice: string;
}

/** Something that was withheld, and where: after so many bytes of the text. */
export interface Tombstone extends Withheld {
  at: number;
}

export interface Usage {
  input?: number;
  output?: number;
}

/** What comes on the stream of an answer. */
export type AnswerEvent =
  | ({ kind: 'queued' } & Ticket)
  | { kind: 'started'; model: string }
  | { kind: 'thinking'; text: string }
  | { kind: 'text'; text: string }
  | ({ kind: 'withheld' } & Withheld)
  | { kind: 'done'; message: number | null; state: 'whole' | 'partial' | 'stopped'; request_id?: string; usage?: Usage }
  | ({ kind: 'failed' } & Failure);

// Who keeps a conversation: the door, for an account, or this page alone.
import { call, randomId } from '../net/api';
import type { Attachment, Conversation, Message, Opened, Page } from '../net/types';
import type { LiveAnswer } from './answer.svelte';
import { type Question, type Turn, onlyTurn, titleOf, turnOf } from './turn';

export interface Asked {
  turn: Turn;
  answer: string;
}

export interface Keeper {
  readonly isMemory: boolean;
  /** Adds a question below the message `parent`, and begins its answer. */
  ask(parent: number, question: Question, model: string): Promise<Asked>;
  /** Begins an answer to the message `parent`; `continueFrom` is a broken one to go on from. */
  answer(parent: number, model: string, continueFrom?: number): Promise<string>;
  /** The branch that ends with what `live` became. */
  settle(turns: Turn[], live: LiveAnswer): Promise<Turn[]>;
  /** The branch of the message `number`. */
  choose(number: number): Promise<Turn[]>;
  /** The files that hang on `turn`. */
  files(turn: Turn): Promise<Attachment[]>;
}

const ENDINGS = { whole: 'complete', partial: 'partial', stopped: 'stopped' } as const;

function answered(live: LiveAnswer, number: number): Turn {
  const turn = onlyTurn(live.key, number, live.parent, 'assistant', live.text);
  const { thinking, model, requestId, withheld } = live;
  return { ...turn, state: ENDINGS[live.ending], thinking, model, requestId, withheld };
}

/** The door keeps it. */
export class DoorKeeper implements Keeper {
  readonly isMemory = false;
  conversation: Conversation | null = null;

  constructor(
    readonly temporary: boolean,
    readonly systemPrompt: () => string,
    readonly created: (conversation: Conversation) => void,
  ) {}

  get #path(): string {
    return `/app/conversations/${this.conversation?.id}`;
  }

  async ask(parent: number, question: Question, model: string): Promise<Asked> {
    if (!this.conversation) {
      const body = { title: titleOf(question.text), system_prompt: this.systemPrompt() || undefined, temporary: this.temporary };
      this.conversation = await call<Conversation>('POST', '/app/conversations', body);
      this.created(this.conversation);
    }
    const body = { id: question.id, parent, text: question.text, attachments: question.files, model };
    const said = await call<{ message: Partial<Message>; answer: { id: string } }>('POST', `${this.#path}/messages`, body);
    const turn = onlyTurn(question.id, said.message.number ?? 0, parent, 'user', question.text);
    const { position = 1, siblings = 1, previous = 0, next = 0 } = said.message;
    return { turn: { ...turn, files: question.files.length, position, siblings, previous, next }, answer: said.answer.id };
  }

  async answer(parent: number, model: string, continueFrom?: number): Promise<string> {
    const body = { id: randomId(), parent, model, continue_from: continueFrom };
    return (await call<{ answer: { id: string } }>('POST', `${this.#path}/answers`, body)).answer.id;
  }

  async settle(turns: Turn[], live: LiveAnswer): Promise<Turn[]> {
    // Among several, only the door knows the place.
    if (live.another || live.number === null) {
      const branch = await this.#branch();
      return branch.map((turn) => (turn.number === live.number ? { ...turn, key: live.key } : turn));
    }
    return [...turns, answered(live, live.number)];
  }

  async choose(number: number): Promise<Turn[]> {
    await call('PATCH', this.#path, { active: number });
    return this.#branch();
  }

  async #branch(): Promise<Turn[]> {
    const opened = await call<Opened>('GET', this.#path);
    const turns = opened.page.messages.map(turnOf).reverse();
    for (let older = opened.page.older; older; ) {
      const page: Page = await this.older(older);
      turns.unshift(...page.messages.map(turnOf).reverse());
      older = page.older;
    }
    return turns;
  }

  older(from: number): Promise<Page> {
    return call<Page>('GET', `${this.#path}/messages?from=${from}`);
  }

  async files(turn: Turn): Promise<Attachment[]> {
    const said = await call<{ attachments: Attachment[] }>('GET', `${this.#path}/messages/${turn.number}/attachments`);
    return said.attachments;
  }
}

/** This page keeps it, and nothing else does. */
export class MemoryKeeper implements Keeper {
  readonly isMemory = true;
  readonly #turns: Turn[] = [];
  readonly #files = new Map<number, Attachment[]>();

  constructor(readonly systemPrompt: () => string) {}

  async ask(parent: number, question: Question, model: string): Promise<Asked> {
    const number = this.#turns.length + 1;
    const turn = { ...onlyTurn(question.id, number, parent, 'user', question.text), files: question.files.length };
    this.#turns.push(turn);
    this.#files.set(number, question.files);
    try {
      return { answer: await this.answer(number, model), turn: this.#placed(turn) };
    } catch (error) {
      this.#turns.pop();
      throw error;
    }
  }

  async answer(parent: number, model: string): Promise<string> {
    const messages = this.#path(parent).map((turn) => ({ role: turn.role, text: this.#whole(turn) }));
    const body = { id: randomId(), model, system_prompt: this.systemPrompt() || undefined, messages };
    return (await call<{ answer: { id: string } }>('POST', '/app/answers', body)).answer.id;
  }

  /** What is sent: nothing is kept at the door, so files go along in the text. */
  #whole(turn: Turn): string {
    const files = (this.#files.get(turn.number) ?? []).map((file) => `\n\n${file.name}:\n\n\`\`\`\n${file.text}\n\`\`\``);
    return (turn.text ?? '') + files.join('');
  }

  async files(turn: Turn): Promise<Attachment[]> {
    return this.#files.get(turn.number) ?? [];
  }

  async settle(_turns: Turn[], live: LiveAnswer): Promise<Turn[]> {
    const turn = answered(live, this.#turns.length + 1);
    this.#turns.push(turn);
    return this.#path(turn.number);
  }

  async choose(number: number): Promise<Turn[]> {
    let leaf = number;
    for (const turn of this.#turns) if (turn.parent === leaf) leaf = turn.number;
    return this.#path(leaf);
  }

  #path(leaf: number): Turn[] {
    const path: Turn[] = [];
    for (let turn = this.#turns[leaf - 1]; turn; turn = this.#turns[turn.parent - 1]) path.unshift(this.#placed(turn));
    return path;
  }

  #placed(turn: Turn): Turn {
    const among = this.#turns.filter((one) => one.parent === turn.parent && one.role === turn.role);
    const at = among.findIndex((one) => one.number === turn.number);
    const number = (index: number) => among[index]?.number ?? 0;
    return { ...turn, position: at + 1, siblings: among.length, previous: number(at - 1), next: number(at + 1) };
  }
}

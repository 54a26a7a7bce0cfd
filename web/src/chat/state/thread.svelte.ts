// The conversation that is looked at: one branch, and the answer that is being written.
import { call, failureOf, randomId } from '../net/api';
import type { Attachment, Conversation, Failure, Opened } from '../net/types';
import { LiveAnswer } from './answer.svelte';
import { DoorKeeper, type Keeper, MemoryKeeper } from './keeper';
import { type Question, type Turn, titleOf, turnOf } from './turn';

/** Messages that are fetched without being asked for; more come by a button. */
const FETCHED_MAX = 2_000;
/** A draft is kept after so long without a key. */
const DRAFT_MS = 1_000;

export interface Options {
  memory: boolean;
  temporary: boolean;
  created(conversation: Conversation): void;
}

export class Thread {
  turns: Turn[] = $state.raw([]);
  live: LiveAnswer | null = $state.raw(null);
  conversation: Conversation | null = $state.raw(null);
  systemPrompt: string = $state('');
  sending: boolean = $state(false);
  loading: boolean = $state(false);
  /** Why the last message was not taken. It is still in the box. */
  refused: Failure | null = $state.raw(null);
  /** Where the messages before these begin. */
  older: number | null = $state(null);
  /** What is written in the box. */
  draft: string = $state('');
  files: Attachment[] = $state.raw([]);
  readonly key = randomId();
  readonly #keeper: Keeper;
  #question: Question | null = null;
  #drafting: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly options: Options) {
    const prompt = () => this.systemPrompt;
    const created = (conversation: Conversation) => {
      this.conversation = conversation;
      options.created(conversation);
    };
    this.#keeper = options.memory ? new MemoryKeeper(prompt) : new DoorKeeper(options.temporary, prompt, created);
  }

  get isMemory(): boolean {
    return this.#keeper.isMemory;
  }

  get isTemporary(): boolean {
    return this.conversation?.temporary ?? this.options.temporary;
  }

  get title(): string {
    return this.conversation?.title ?? titleOf(this.turns[0]?.text ?? '');
  }

  get busy(): boolean {
    return this.sending || (this.live !== null && !this.live.over);
  }

  /** Opens a conversation that the door keeps, and what is being written in it. */
  async open(id: string): Promise<void> {
    this.loading = true;
    try {
      const opened = await call<Opened>('GET', `/app/conversations/${encodeURIComponent(id)}`);
      this.conversation = opened.conversation;
      (this.#keeper as DoorKeeper).conversation = opened.conversation;
      this.systemPrompt = opened.conversation.system_prompt ?? '';
      this.turns = opened.page.messages.map(turnOf).reverse();
      this.older = opened.page.older ?? null;
      this.draft ||= opened.draft?.text ?? '';
      this.#resume(opened.answers);
    } finally {
      this.loading = false;
    }
    void this.#fetchOlder();
  }

  /** An answer that was begun before this page was loaded goes on in it. */
  #resume(answers: Opened['answers']): void {
    for (const answer of answers.toReversed()) {
      const at = this.turns.findIndex((turn) => turn.number === answer.parent);
      const another = at + 1 < this.turns.length;
      // One that failed is over once there is another.
      if (at < 0 || (another && answer.state === 'failed')) continue;
      this.turns = this.turns.slice(0, at + 1);
      this.#attach(answer.id, answer.parent, another);
      return;
    }
  }

  async #fetchOlder(): Promise<void> {
    while (this.older !== null && this.turns.length < FETCHED_MAX) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      await this.fetchOlder();
    }
  }

  async fetchOlder(): Promise<void> {
    if (this.older === null) return;
    const page = await (this.#keeper as DoorKeeper).older(this.older).catch(() => null);
    if (!page) {
      this.older = null;
      return;
    }
    this.turns = [...page.messages.map(turnOf).reverse(), ...this.turns];
    this.older = page.older ?? null;
  }

  /** Sends a question at the end of the branch. Where it is refused, it stays in the box. */
  async send(text: string, files: Attachment[], model: string): Promise<boolean> {
    const asked = await this.#ask(this.turns.at(-1)?.number ?? 0, text, files, model, this.turns);
    if (asked) this.writeDraft('');
    return asked;
  }

  /** Asks `turn` anew with another text: a sibling, and the first one stays. */
  async edit(turn: Turn, text: string, model: string): Promise<boolean> {
    const before = this.turns.slice(0, this.turns.indexOf(turn));
    let files: Attachment[] = [];
    const found = turn.files === 0 || (await this.#try(async () => void (files = await this.#keeper.files(turn))));
    return found && this.#ask(turn.parent, text, files, model, before, true);
  }

  async #ask(parent: number, text: string, files: Attachment[], model: string, before: Turn[], another = false): Promise<boolean> {
    // Sent again, the same words are the same message: the door adds it once.
    if (this.#question?.text !== text) this.#question = { id: randomId(), text, files };
    const question = { ...this.#question, files };
    return this.#try(async () => {
      const asked = await this.#keeper.ask(parent, question, model);
      this.turns = [...before, asked.turn];
      this.#question = null;
      this.#attach(asked.answer, asked.turn.number, another);
    });
  }

  /** Another answer beside `turn`. */
  again(turn: Turn, model: string): Promise<boolean> {
    return this.#answer(turn.parent, model, true);
  }

  /** Goes on from an answer that broke off. */
  goOn(turn: Turn, model: string): Promise<boolean> {
    return this.#answer(turn.parent, model, true, turn.number);
  }

  /** Asks again for the answer that failed. */
  retry(model: string): Promise<boolean> {
    return this.#answer(this.live?.parent ?? this.turns.at(-1)?.number ?? 0, model, this.live?.another ?? false);
  }

  #answer(parent: number, model: string, another: boolean, continueFrom?: number): Promise<boolean> {
    return this.#try(async () => {
      const id = await this.#keeper.answer(parent, model, continueFrom);
      const at = this.turns.findIndex((turn) => turn.number === parent);
      this.turns = this.turns.slice(0, at + 1);
      this.#attach(id, parent, another);
    });
  }

  async #try(act: () => Promise<void>): Promise<boolean> {
    this.sending = true;
    this.refused = null;
    try {
      await act();
      return true;
    } catch (error) {
      this.refused = failureOf(error);
      return false;
    } finally {
      this.sending = false;
    }
  }

  #attach(id: string, parent: number, another: boolean): void {
    this.live?.leave();
    const live = new LiveAnswer(id, parent, another);
    this.live = live;
    void live.run().then(() => this.#ended(live));
  }

  async #ended(live: LiveAnswer): Promise<void> {
    if (this.live !== live || live.phase !== 'done') return;
    try {
      const turns = await this.#keeper.settle(this.turns, live);
      if (this.live !== live) return;
      this.turns = turns;
      this.live = null;
    } catch {
      // What was shown stays as it is; the branch is read anew when the conversation is opened.
    }
  }

  /** Looks at the branch of another version. */
  choose(number: number): Promise<boolean> {
    return this.#try(async () => {
      this.live?.leave();
      this.live = null;
      this.turns = await this.#keeper.choose(number);
    });
  }

  /** Takes what is in the box; the door keeps it for another device. */
  writeDraft(text: string): void {
    this.draft = text;
    clearTimeout(this.#drafting);
    const id = this.conversation?.id;
    if (!id || this.isTemporary) return;
    this.#drafting = setTimeout(() => void call('PUT', `/app/conversations/${id}/draft`, { text }).catch(() => {}), DRAFT_MS);
  }

  async saveSystemPrompt(text: string): Promise<void> {
    this.systemPrompt = text;
    if (this.conversation) await call('PATCH', `/app/conversations/${this.conversation.id}`, { system_prompt: text });
  }

  /** Looks away; what is being written goes on at the door. */
  leave(): void {
    if (!this.isMemory) this.live?.leave();
  }
}

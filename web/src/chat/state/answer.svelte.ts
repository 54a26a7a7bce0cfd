// An answer that is being written by the door. The page only looks on: it may come and go.
import { call } from '../net/api';
import { follow } from '../net/sse';
import type { AnswerEvent, Failure, Ticket, Usage } from '../net/types';
import type { Gap } from './turn';

export type Phase = 'waiting' | 'queued' | 'running' | 'done' | 'failed' | 'gone';

export class LiveAnswer {
  phase: Phase = $state('waiting');
  text: string = $state('');
  thinking: string = $state('');
  model: string = $state('');
  connected: boolean = $state(true);
  ticket: Ticket | null = $state.raw(null);
  withheld: Gap[] = $state.raw([]);
  failure: Failure | null = $state.raw(null);
  /** How it ended: set with the phase `done`. */
  ending: 'whole' | 'partial' | 'stopped' = 'whole';
  number: number | null = null;
  requestId = '';
  usage: Usage | null = null;
  readonly role = 'assistant';
  readonly #away = new AbortController();
  /** What has come and is not shown yet. */
  #come = { text: '', thinking: '' };
  #flushing = false;

  constructor(
    readonly id: string,
    /** The message that it answers. */
    readonly parent: number,
    /** Whether other answers to it are there already. */
    readonly another: boolean,
  ) {}

  /** Looks on until the answer ends, or until [`leave`]. */
  async run(): Promise<void> {
    const outcome = await follow(this.id, { event: (event) => this.#take(event), connected: (holds) => (this.connected = holds) }, this.#away.signal);
    if (outcome === 'gone' && this.phase !== 'done') this.phase = 'gone';
  }

  /** The pieces that came in one read are told together. */
  #say(voice: 'text' | 'thinking', text: string): void {
    this.#come[voice] += text;
    if (!this.#flushing) queueMicrotask(() => this.#flush());
    this.#flushing = true;
  }

  #flush(): void {
    this.#flushing = false;
    const { text, thinking } = this.#come;
    this.#come = { text: '', thinking: '' };
    if (thinking) this.thinking += thinking;
    if (text) this.text += text;
    if (text || thinking) this.phase = 'running';
  }

  #take(event: AnswerEvent): void {
    if (event.kind !== 'text' && event.kind !== 'thinking') this.#flush();
    switch (event.kind) {
      case 'queued':
        this.ticket = event;
        this.phase = 'queued';
        break;
      case 'started':
        this.model = event.model;
        this.phase = 'running';
        break;
      case 'thinking':
      case 'text':
        this.#say(event.kind, event.text);
        break;
      case 'withheld':
        this.withheld = [...this.withheld, { ...event, after: this.text.length }];
        break;
      case 'done':
        this.number = event.message;
        this.ending = event.state;
        this.requestId = event.request_id ?? '';
        this.usage = event.usage ?? null;
        this.phase = 'done';
        break;
      case 'failed':
        this.failure = event;
        this.phase = 'failed';
        break;
    }
  }

  /** What the answer has as a turn too, so that it keeps its place on the page. */
  get key(): string {
    return this.id;
  }

  get over(): boolean {
    return this.phase === 'done' || this.phase === 'failed' || this.phase === 'gone';
  }

  /** Asks the door to stop; the stream then ends by itself. */
  async stop(): Promise<void> {
    await call<void>('POST', `/app/answers/${this.id}/stop`).catch(() => {});
  }

  /** Looks away. The door goes on. */
  leave(): void {
    this.#away.abort();
  }
}

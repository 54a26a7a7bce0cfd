// What the page shows: which conversation, which dialog, whether the list is open.
import type { Conversation } from '../net/types';
import { list } from './list.svelte';
import { session } from './session.svelte';
import { Thread } from './thread.svelte';

/** Up to this width the list lies over the messages. */
export const NARROW = '(max-width: 56rem)';

export type DialogName = 'settings' | 'help' | 'share' | 'system' | 'passport';

class App {
  thread: Thread = $state.raw(this.#make(false));
  /** Conversations that only this page holds, newest first. */
  memory: Thread[] = $state.raw([]);
  dialog: DialogName | null = $state(null);
  sidebar: boolean = $state(false);
  missing: boolean = $state(false);

  #make(temporary: boolean): Thread {
    return new Thread({ memory: !session.signedIn, temporary, created: (conversation) => this.#created(conversation) });
  }

  #created(conversation: Conversation): void {
    list.touch(conversation);
    history.replaceState(null, '', `/#${conversation.id}`);
  }

  /** On a narrow screen the list lies over the messages: it goes when one was chosen. */
  #uncover(): void {
    if (matchMedia(NARROW).matches) this.sidebar = false;
  }

  /** Begins a new conversation. What was written in an empty one is taken along. */
  fresh(temporary = false): void {
    const text = this.thread.turns.length === 0 && !this.thread.conversation ? this.thread.draft : '';
    this.thread.leave();
    this.thread = this.#make(temporary);
    this.thread.draft = text;
    this.#uncover();
    this.missing = false;
    if (location.hash) history.pushState(null, '', '/');
  }

  /** Opens what the address names. */
  async route(): Promise<void> {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id || !session.signedIn) {
      if (this.thread.conversation || this.thread.turns.length === 0) this.fresh();
      return;
    }
    if (this.thread.conversation?.id === id) return;
    this.thread.leave();
    const thread = this.#make(false);
    this.thread = thread;
    this.#uncover();
    this.missing = false;
    await thread.open(id).catch(() => {
      if (this.thread === thread) this.missing = true;
    });
  }

  /** Shows a conversation that only this page holds. */
  recall(thread: Thread): void {
    this.thread = thread;
    this.#uncover();
  }

  /** Remembers the thread that was just written to, where nobody else does. */
  remember(): void {
    if (!this.thread.isMemory) return;
    this.memory = [this.thread, ...this.memory.filter((thread) => thread !== this.thread)];
  }
}

export const app = new App();

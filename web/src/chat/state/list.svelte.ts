// The list of conversations, and searching in them.
import { call } from '../net/api';
import type { Conversation, Hit } from '../net/types';

interface Listed {
  conversations: Conversation[];
  next: string | null;
}

class List {
  items: Conversation[] = $state.raw([]);
  next: string | null = $state(null);
  archived: boolean = $state(false);
  query: string = $state('');
  hits: Hit[] | null = $state.raw(null);
  moreHits: boolean = $state(false);
  #searching = 0;

  async load(archived = this.archived): Promise<void> {
    this.archived = archived;
    const page = await call<Listed>('GET', `/app/conversations?archived=${archived ? 1 : 0}`);
    this.items = page.conversations;
    this.next = page.next;
  }

  async more(): Promise<void> {
    if (!this.next) return;
    const page = await call<Listed>('GET', `/app/conversations?archived=${this.archived ? 1 : 0}&before=${encodeURIComponent(this.next)}`);
    this.items = [...this.items, ...page.conversations];
    this.next = page.next;
  }

  async rename(id: string, title: string): Promise<void> {
    this.#put(await call<Conversation>('PATCH', `/app/conversations/${id}`, { title }));
  }

  async archive(id: string, archived: boolean): Promise<void> {
    await call('PATCH', `/app/conversations/${id}`, { archived });
    this.items = this.items.filter((item) => item.id !== id);
  }

  async remove(id: string): Promise<void> {
    await call('DELETE', `/app/conversations/${id}`);
    this.items = this.items.filter((item) => item.id !== id);
  }

  /** A conversation that was just written to stands first. */
  touch(conversation: Conversation): void {
    if (conversation.temporary || this.archived) return;
    this.items = [conversation, ...this.items.filter((item) => item.id !== conversation.id)];
  }

  #put(conversation: Conversation): void {
    this.items = this.items.map((item) => (item.id === conversation.id ? conversation : item));
  }

  /** Looks for `query`; an earlier search that comes late is not shown. */
  async search(query: string): Promise<void> {
    this.query = query;
    this.#searching += 1;
    const turn = this.#searching;
    if (query.trim().length < 2) {
      this.hits = null;
      return;
    }
    const found = await call<{ hits: Hit[]; more: boolean }>('GET', `/app/search?q=${encodeURIComponent(query.trim())}`);
    if (turn !== this.#searching) return;
    this.hits = found.hits;
    this.moreHits = found.more;
  }
}

export const list = new List();

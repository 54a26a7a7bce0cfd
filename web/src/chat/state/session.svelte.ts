// Who is here, and what they may use.
import { call, failureOf } from '../net/api';
import type { Failure, Me, Model } from '../net/types';
import { settings } from './settings.svelte';

class Session {
  me: Me | null = $state.raw(null);
  failure: Failure | null = $state.raw(null);

  get models(): Model[] {
    return this.me?.models ?? [];
  }

  get signedIn(): boolean {
    return Boolean(this.me?.account);
  }

  /** The model that is asked: the one that was chosen, if it may be used. */
  get model(): string {
    const chosen = this.models.find((model) => model.id === settings.kept.model);
    return (chosen ?? this.models[0])?.id ?? '';
  }

  nameOf(id: string): string {
    return this.models.find((model) => model.id === id)?.label || id;
  }

  async load(): Promise<void> {
    try {
      this.me = await call<Me>('GET', '/app/me');
      this.failure = null;
    } catch (error) {
      this.failure = failureOf(error);
    }
  }
}

export const session = new Session();

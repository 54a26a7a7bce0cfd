// Conversations in groups of days.
import type { Words } from '../i18n/en';
import type { Conversation } from '../net/types';

const DAY_MS = 86_400_000;

export interface Group {
  name: string;
  items: Conversation[];
}

/** Groups in the order of the list, which is newest first. */
export function byDay(items: Conversation[], now: number, words: Words): Group[] {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const name = (at: number) => {
    if (at >= midnight) return words.today;
    if (at >= midnight - DAY_MS) return words.yesterday;
    return at >= midnight - 7 * DAY_MS ? words.week : words.older;
  };
  const groups = new Map<string, Conversation[]>();
  for (const item of items) {
    const key = name(new Date(item.updated_at).getTime());
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return [...groups].map(([name, items]) => ({ name, items }));
}

// The language of the page. English is always there; others are loaded when they are asked for.
import { type Words, en } from './en';

const tables: Record<string, () => Promise<Words>> = {
  zh: async () => (await import('./zh')).zh,
};

/** The languages that can be chosen, in their own words. */
export const languages: Record<string, string> = { en: 'English', zh: '中文' };

class Language {
  /** The words of now. */
  words: Words = $state.raw(en);
  /** How dates are written. */
  locale: string = $state('en');

  /** Takes the language that is chosen, or for `auto` the first of the browser's that there is. */
  async choose(choice: string): Promise<void> {
    const wanted = choice === 'auto' ? navigator.languages.map((tag) => tag.slice(0, 2)) : [choice];
    const code = wanted.find((one) => one in languages) ?? 'en';
    this.words = (await tables[code]?.().catch(() => en)) ?? en;
    this.locale = navigator.languages.find((tag) => tag.startsWith(this.words.code)) ?? this.words.code;
    document.documentElement.lang = this.words.code;
    document.documentElement.dir = this.words.dir;
  }
}

export const language = new Language();

// What somebody chose for this browser. Kept in it, and sent nowhere.
import { language } from '../i18n/index.svelte';

const KEY = 'surgewall-settings';

export type Theme = 'auto' | 'light' | 'dark';
export type Speech = 'sentences' | 'end' | 'off';

interface Kept {
  theme: Theme;
  language: string;
  speech: Speech;
  enterSends: boolean;
  model: string;
}

const DEFAULTS: Kept = { theme: 'auto', language: 'auto', speech: 'sentences', enterSends: true, model: '' };

function read(): Kept {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? '{}') };
  } catch {
    return { ...DEFAULTS };
  }
}

class Settings {
  kept: Kept = $state(read());

  set<Name extends keyof Kept>(name: Name, value: Kept[Name]): void {
    this.kept[name] = value;
    try {
      localStorage.setItem(KEY, JSON.stringify(this.kept));
    } catch {
      // A browser that keeps nothing: the choice holds for this page.
    }
    this.apply();
  }

  /** Makes the page look as chosen. */
  apply(): void {
    const { theme } = this.kept;
    if (theme === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    void language.choose(this.kept.language);
  }
}

export const settings = new Settings();

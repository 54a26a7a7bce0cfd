// A mail server in this process, which keeps what it is given (RFC 5321, as far as one sender needs it).
import net from 'node:net';

/** Undoes quoted-printable (RFC 2045, 6.7), where the letter says that it is. */
function readable(text) {
  if (!/^Content-Transfer-Encoding: quoted-printable/im.test(text)) return text;
  return text.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

export class Letters {
  #kept = [];
  #wakes = [];

  static async start() {
    const letters = new Letters();
    letters.server = net.createServer((line) => letters.#serve(line));
    await new Promise((ready) => letters.server.listen(0, '127.0.0.1', ready));
    letters.config = `[mail]\nhost = "127.0.0.1"\nport = ${letters.server.address().port}\nsecurity = "none"\nfrom = "Door <door@example.org>"\n`;
    return letters;
  }

  stop() {
    this.server.close();
  }

  /** The `nth` letter to `address`, once it is there. */
  async to(address, nth = 1) {
    for (;;) {
      const own = this.#kept.filter((letter) => letter.to === address);
      if (own.length >= nth) return own[nth - 1].text;
      await new Promise((wake) => this.#wakes.push(wake));
    }
  }

  #serve(line) {
    let text = '';
    let to = '';
    let isLetter = false;
    const say = (words) => line.write(`${words}\r\n`);
    line.setEncoding('utf8').on('error', () => line.destroy());
    line.on('data', (chunk) => {
      text += chunk;
      for (;;) {
        const end = isLetter ? '\r\n.\r\n' : '\r\n';
        const at = text.indexOf(end);
        if (at < 0) return;
        const said = text.slice(0, at);
        text = text.slice(at + end.length);
        if (isLetter) {
          isLetter = false;
          this.#kept.push({ to, text: readable(said) });
          for (const wake of this.#wakes.splice(0)) wake();
          say('250 kept');
          continue;
        }
        to = /^RCPT TO:<(.*?)>/i.exec(said)?.[1] ?? to;
        isLetter = /^DATA$/i.test(said);
        if (isLetter) say('354 go on');
        else if (/^QUIT$/i.test(said)) line.end('221 bye\r\n');
        else say(/^EHLO/i.test(said) ? '250-here\r\n250 8BITMIME' : '250 well');
      }
    });
    say('220 here');
  }
}

/** The fixture of a spec's letters: one mail server for each worker. */
export const letters = [
  async ({}, use) => {
    const kept = await Letters.start();
    await use(kept);
    kept.stop();
  },
  { scope: 'worker' },
];

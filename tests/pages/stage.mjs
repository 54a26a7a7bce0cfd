// A stage before a real door: its files and heads come from the door as they are, and what /app/ says
// is played here, so that a test decides each piece, its time, and where the connection breaks.
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';

const json = (response, status, body) => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
};

const refusal = (code, message) => ({ error: { code, message, request_id: 'req_stage' } });

/** An answer that is played: it holds its events, and whoever watches gets them from where he left. */
class Played {
  constructor(id, parent) {
    Object.assign(this, { id, parent, events: [], watchers: new Set(), over: false });
  }

  push(name, data) {
    this.events.push({ name, data });
    this.over ||= name === 'done' || name === 'failed';
    for (const wake of this.watchers) wake();
    this.watchers.clear();
  }

  get text() {
    return this.events.filter(({ name }) => name === 'text').map(({ data }) => data.text).join('');
  }

  async watch(request, response, breakAfter) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    let at = Number.parseInt(request.headers['last-event-id'] ?? '0', 10);
    for (let sent = 0; !response.destroyed; ) {
      while (at < this.events.length) {
        if (breakAfter !== null && sent >= breakAfter) return response.destroy();
        const { name, data } = this.events[at];
        at += 1;
        sent += 1;
        response.write(`id: ${at}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
      }
      if (this.over) return response.end();
      await new Promise((wake) => this.watchers.add(wake));
    }
    return undefined;
  }
}

export class Stage {
  constructor(door) {
    this.door = new URL(door);
    this.me = { account: null, models: [{ id: 'handbook', passport: null }], gate: null, incident: null, notices: [], job_detached_s_max: 600, plain_http: true };
    this.conversations = new Map();
    this.answers = new Map();
    this.reports = [];
    this.calls = [];
    /** Plays the answer to a question; a test puts its own here. */
    this.play = async (played, question) => {
      played.push('started', { model: 'handbook' });
      played.push('text', { text: `You asked: ${question}` });
      played.push('done', { message: null, state: 'whole', request_id: 'req_stage', usage: {} });
    };
    /** The next so many watchers lose their connection after one event each. */
    this.breaks = 0;
    /** What the next question is refused with. */
    this.refuse = null;
  }

  async start() {
    this.server = http.createServer((request, response) => void this.#serve(request, response));
    await new Promise((ready) => this.server.listen(0, '127.0.0.1', ready));
    return `http://localhost:${this.server.address().port}`;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  signIn() {
    this.me.account = { id: 'acc_1', email: 'ann@example.org', role: 'user', class: 'established' };
  }

  /** A conversation that is there already. */
  keep(id, title, texts, more = {}) {
    const messages = texts.map((text, at) => this.#message(at + 1, at, at % 2 ? 'assistant' : 'user', text));
    const at = Date.now();
    const conversation = { id, title, temporary: false, archived: false, created_at: at, updated_at: at, messages: texts.length, active: texts.length, ...more };
    this.conversations.set(id, { conversation, messages, shares: [], draft: null });
    return this.conversations.get(id);
  }

  #message(number, parent, role, text, more = {}) {
    const id = `msg_${number.toString(16).padStart(32, '0')}`;
    return { id, number, parent, role, state: 'complete', attachments: 0, created_at: Date.now(), body: { text, model: 'handbook', ...more } };
  }

  async #serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const url = new URL(request.url, 'http://stage');
    if (url.pathname === '/app/csp-report') this.reports.push(body.toString());
    const file = this.#file(url.pathname);
    if (file) return this.#forward(request, response, body, file);
    const isPlayed = url.pathname.startsWith('/app/') && !/^\/app\/(static\/|csp-report)/.test(url.pathname);
    if (!isPlayed) return this.#forward(request, response, body);
    const said = body.length > 0 ? JSON.parse(body) : {};
    this.calls.push(`${request.method} ${url.pathname}`);
    try {
      return this.#app(request, response, url, said);
    } catch (error) {
      return json(response, 500, refusal('internal', String(error)));
    }
  }

  /** A file of PAGES_DIST, with which pages are tried without building the door anew: the heads are still the door's. */
  #file(path) {
    const folder = process.env.PAGES_DIST;
    if (!folder) return null;
    const name = path === '/' ? 'index.html' : path.replace(/^\/app\/static\//, '');
    return existsSync(`${folder}/${name}`) && name !== '' ? `${folder}/${name}` : null;
  }

  #forward(request, response, body, file = null) {
    const headers = { ...request.headers, host: this.door.host };
    const { hostname, port } = this.door;
    const ahead = http.request({ hostname, port, path: request.url, method: request.method, headers }, (answer) => {
      if (file) {
        const kinds = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', html: 'text/html', png: 'image/png', webmanifest: 'application/manifest+json' };
        const { 'content-security-policy': policy, 'reporting-endpoints': reports } = answer.headers;
        const heads = { 'content-type': kinds[file.split('.').at(-1)], 'cache-control': 'no-store' };
        if (policy) Object.assign(heads, { 'content-security-policy': policy, 'reporting-endpoints': reports });
        answer.resume();
        response.writeHead(200, heads);
        return response.end(readFileSync(file));
      }
      response.writeHead(answer.statusCode, answer.headers);
      return answer.pipe(response);
    });
    ahead.on('error', () => response.destroy());
    ahead.end(body);
  }

  #app(request, response, url, said) {
    const [, , part, id, what] = url.pathname.split('/');
    const { method } = request;
    if (part === 'me') return json(response, 200, this.me);
    if (part === 'answers' && method === 'POST' && !id) return this.#ask(response, said.messages.at(-1).text, null, 0, said);
    if (part === 'answers') return this.#answer(request, response, id, what);
    if (!this.me.account) return json(response, 401, refusal('sign_in_needed', 'Sign in first.'));
    if (part === 'search') return json(response, 200, this.#search(url.searchParams.get('q')));
    if (part === 'shares' || part === 'notices') return json(response, 204);
    if (part !== 'conversations') return json(response, 404, refusal('not_found', 'No such thing.'));
    if (!id) return this.#list(request, response, url, said);
    const kept = this.conversations.get(id);
    if (!kept) return json(response, 404, refusal('not_found', 'There is no such conversation.'));
    return this.#conversation(method, response, url, said, kept, what);
  }

  #list(request, response, url, said) {
    if (request.method === 'POST') {
      const id = `con_${this.conversations.size + 1}`;
      return json(response, 201, this.keep(id, said.title, [], { temporary: said.temporary ?? false, system_prompt: said.system_prompt }).conversation);
    }
    const archived = url.searchParams.get('archived') === '1';
    const all = [...this.conversations.values()].map(({ conversation }) => conversation);
    const conversations = all.filter((one) => one.archived === archived && !one.temporary).reverse();
    return json(response, 200, { conversations, next: null });
  }

  #conversation(method, response, url, said, kept, what) {
    const { conversation } = kept;
    if (!what && method === 'GET') {
      const running = [...this.answers.values()].filter((one) => one.conversation === conversation.id && !one.over);
      const answers = running.map(({ id, parent }) => ({ id, parent, state: 'running' }));
      return json(response, 200, { conversation, page: this.page(kept, conversation.active), draft: kept.draft, answers });
    }
    if (!what && method === 'PATCH') {
      if (said.active) said.active = this.#leaf(kept, said.active);
      return json(response, 200, Object.assign(conversation, said));
    }
    if (!what && method === 'DELETE') return json(response, 204, void this.conversations.delete(conversation.id));
    if (what === 'messages' && method === 'GET') return json(response, 200, this.page(kept, Number(url.searchParams.get('from'))));
    if (what === 'messages') {
      const there = kept.messages.find((one) => one.sent === said.id);
      const number = there?.number ?? kept.messages.length + 1;
      if (!there) kept.messages.push({ ...this.#message(number, said.parent, 'user', said.text), sent: said.id });
      conversation.active = number;
      return this.#ask(response, said.text, kept, number, said, { number });
    }
    if (what === 'answers') return this.#ask(response, kept.messages[said.parent - 1].body.text, kept, said.parent, said);
    if (what === 'draft') return json(response, 204, void (kept.draft = said));
    if (method === 'GET') return json(response, 200, { shares: kept.shares.map(({ url: _, ...share }) => share) });
    const share = { id: `shr_${kept.shares.length + 1}`, url: '/app/shared/stage-token', leaf: said.leaf, expires_at: Date.now() + said.days * 86_400_000 };
    kept.shares.push(share);
    return json(response, 201, share);
  }

  #ask(response, text, kept, parent, said, message) {
    if (this.refuse) {
      const { status, body } = this.refuse;
      this.refuse = null;
      return json(response, status, body);
    }
    const played = new Played(`msg_${said.id}a`, parent);
    played.conversation = kept?.conversation.id ?? null;
    this.answers.set(played.id, played);
    const push = played.push.bind(played);
    played.push = (name, data) => {
      if (name === 'done' && kept) {
        const number = kept.messages.length + 1;
        const ending = { whole: 'complete', partial: 'partial', stopped: 'stopped' }[data.state];
        kept.messages.push({ ...this.#message(number, parent, 'assistant', played.text), state: ending });
        kept.conversation.active = number;
        data = { ...data, message: number };
      }
      push(name, data);
    };
    void this.play(played, text);
    return json(response, 202, { ...(message ? { message } : {}), answer: { id: played.id } });
  }

  #answer(request, response, id, what) {
    const played = this.answers.get(id);
    if (!played) return json(response, 404, refusal('not_found', 'There is no such answer.'));
    if (what === 'stop') {
      played.stopped = true;
      if (!played.over) played.push('done', { message: null, state: 'stopped', usage: {} });
      return json(response, 204);
    }
    const breaks = this.breaks > 0;
    if (breaks) this.breaks -= 1;
    return played.watch(request, response, breaks ? 1 : null);
  }

  /** A page of a branch, newest first, as the door has it. */
  page(kept, from, most = 200) {
    const messages = [];
    let number = from;
    for (; number > 0 && messages.length < most; number = kept.messages[number - 1].parent) {
      const message = kept.messages[number - 1];
      const among = kept.messages.filter((one) => one.parent === message.parent);
      const at = among.indexOf(message);
      messages.push({ ...message, position: at + 1, siblings: among.length, previous: among[at - 1]?.number ?? 0, next: among[at + 1]?.number ?? 0 });
    }
    return { messages, older: number > 0 ? number : null };
  }

  #leaf(kept, number) {
    let leaf = number;
    for (const message of kept.messages) if (message.parent === leaf) leaf = message.number;
    return leaf;
  }

  #search(query) {
    const hits = [];
    for (const { conversation, messages } of this.conversations.values()) {
      const found = messages.find(({ body }) => body.text.includes(query));
      if (found) hits.push({ conversation: conversation.id, title: conversation.title, message: found.number, text: found.body.text.slice(0, 120) });
    }
    return { hits, more: false, next: null };
  }
}

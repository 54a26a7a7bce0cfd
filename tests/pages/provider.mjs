// A real identity provider, certified by the OpenID Foundation, with a few people of its own: a page asks which of
// them one is, and believes it.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';

const PEOPLE = {
  ann: { email: 'ann@college.example', groups: ['students', 'deans'] },
  bob: { email: 'bob@elsewhere.example', groups: ['students'] },
  eve: { email: 'eve@elsewhere.example', groups: [] },
};
const SECRET = 'what-only-the-door-and-the-provider-know';
const CLIENT = 'surgewall';

const key = () => ({ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' });

export class College {
  /** Listens; it answers once it knows the door. */
  static async start() {
    const college = new College();
    college.server = http.createServer((request, response) => void college.#serve(request, response));
    await new Promise((ready) => college.server.listen(0, '127.0.0.1', ready));
    // Another site than the door's `localhost`, as a provider is.
    college.issuer = `http://127.0.0.1:${college.server.address().port}`;
    return college;
  }

  /** A block `[[accounts.oidc]]` for this provider. The secret is in the variable that the door reads it from. */
  config(name, more) {
    process.env.SURGEWALL_TEST_OIDC = SECRET;
    const lines = [`name = "${name}"`, `issuer = "${this.issuer}"`, `client_id = "${CLIENT}"`, 'client_secret = { env = "SURGEWALL_TEST_OIDC" }'];
    return `[[accounts.oidc]]\n${lines.join('\n')}\nscopes = ["email", "groups"]\n${more}\n`;
  }

  /** Takes sign-ins for the doors at these addresses. */
  async open(redirectUris) {
    // Not before it is needed: it tells which Node it would like better.
    const { default: Provider } = await import('oidc-provider');
    this.provider = new Provider(this.issuer, {
      clients: [{ client_id: CLIENT, client_secret: SECRET, redirect_uris: redirectUris, grant_types: ['authorization_code'], response_types: ['code'] }],
      claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
      scopes: ['openid', 'email', 'groups'],
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email_verified: true, ...PEOPLE[id] }) }),
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_, { uid }) => `/who/${uid}` },
      jwks: { keys: [key()] },
      cookies: { keys: ['a key of the test'] },
      ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
      // The door is the operator's own: nobody is asked whether it may know them.
      loadExistingGrant: async ({ oidc }) => {
        const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
        grant.addOIDCScope('openid email groups');
        await grant.save();
        return grant;
      },
    });
    this.answer = this.provider.callback();
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  async #serve(request, response) {
    const [, , , who] = request.url.split('/');
    if (!request.url.startsWith('/who/')) return this.answer(request, response);
    if (who === undefined) {
      const names = [...Object.keys(PEOPLE), 'nobody'];
      const links = names.map((name) => `<li><a href="${request.url}/${name}">${name}</a></li>`);
      response.writeHead(200, { 'content-type': 'text/html' });
      return response.end(`<!doctype html><html lang="en"><title>College</title><h1>Who are you?</h1><ul>${links.join('')}</ul>`);
    }
    const result = who === 'nobody' ? { error: 'access_denied', error_description: 'it was cancelled' } : { login: { accountId: who } };
    return this.provider.interactionFinished(request, response, result);
  }
}

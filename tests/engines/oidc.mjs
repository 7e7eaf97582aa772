// node oidc.mjs LIBRARY PORT REDIRECT_URI: a server of OpenID Connect with its own development pages.
// Whoever logs in is known: `ada` has ada@example.org, and `unproved-` before a name leaves the
// address unverified. Keys are new at each start.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [library, port, redirect] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(library));

function key(alg, type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() };
}

function client(client_id, token_endpoint_auth_method, alg) {
  const secret = token_endpoint_auth_method === 'none' ? {} : { client_secret: 'a secret: of + 100%' };
  return {
    client_id,
    ...secret,
    token_endpoint_auth_method,
    id_token_signed_response_alg: alg,
    redirect_uris: [redirect],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  };
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    client('basic', 'client_secret_basic', 'ES256'),
    client('post', 'client_secret_post', 'RS256'),
    client('public', 'none', 'EdDSA'),
  ],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  cookies: { keys: [randomUUID()] },
  enabledJWA: { idTokenSigningAlgValues: ['ES256', 'RS256', 'EdDSA'] },
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      name: `Some ${id}`,
      email: `${id.replace('unproved-', '')}@example.org`,
      email_verified: !id.startsWith('unproved-'),
    }),
  }),
  jwks: {
    keys: [
      key('ES256', 'ec', { namedCurve: 'P-256' }),
      key('RS256', 'rsa', { modulusLength: 2048 }),
      key('EdDSA', 'ed25519', {}),
    ],
  },
});
provider.listen(Number(port), '127.0.0.1');

// A program with npm's openid-client that has a key and no secret. argv: the library's path, and
// JSON of {issuer, reached, algorithm, jwk, jwks, initial}. It registers itself, authenticates by
// private_key_jwt wherever clients do, and prints what came of it.
import { pathToFileURL } from "node:url";

const [library, told] = process.argv.slice(2);
const client = await import(pathToFileURL(library).href);
const app = JSON.parse(told);
const reach = (url, options) => fetch(url.replace(new URL(app.issuer).origin, app.reached), options);
const options = { execute: [client.allowInsecureRequests], [client.customFetch]: reach };
const kinds = { ES256: ["ECDSA", "P-256"], Ed25519: ["Ed25519"] };
const [name, namedCurve] = kinds[app.algorithm];
const algorithm = { name, namedCurve, hash: "SHA-256" };
const key = await crypto.subtle.importKey("jwk", app.jwk, algorithm, false, ["sign"]);
const method = client.PrivateKeyJwt({ key, kid: app.jwk.kid });

const metadata = {
  client_name: "Holder",
  redirect_uris: ["https://app.example.org/cb"],
  grant_types: ["authorization_code", "client_credentials"],
  token_endpoint_auth_method: "private_key_jwt",
  token_endpoint_auth_signing_alg: app.algorithm,
  jwks: app.jwks,
  scope: "openid",
};
const initial = { initialAccessToken: app.initial };
const made = await client.dynamicClientRegistration(new URL(app.issuer), metadata, method, {
  ...options,
  ...initial,
});
made[client.customFetch] = reach;

const { client_id, ...registered } = made.clientMetadata();
const known = { token_endpoint_auth_method: "private_key_jwt" };
const config = await client.discovery(new URL(app.issuer), client_id, known, method, options);
config[client.customFetch] = reach;

const tokens = await client.clientCredentialsGrant(config, { scope: "openid" });
const before = await client.tokenIntrospection(config, tokens.access_token);
await client.tokenRevocation(config, tokens.access_token);
const after = await client.tokenIntrospection(config, tokens.access_token);
const verifier = client.randomPKCECodeVerifier();
const pushed = await client.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: "https://app.example.org/cb",
  scope: "openid",
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
process.stdout.write(
  JSON.stringify({
    client_id,
    registered,
    kind: tokens.token_type,
    before,
    after,
    parameters: [...pushed.searchParams.keys()].sort(),
  }) + "\n",
);
process.exit(0);

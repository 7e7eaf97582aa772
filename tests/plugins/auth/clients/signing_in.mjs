// What an application does with npm's openid-client. argv: the library's path, and JSON of
// {issuer, reached, client_id, client_secret, redirect_uri, scope}. It prints where to send the
// person, reads where the person came back to, and prints what came of it.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [library, told] = process.argv.slice(2);
const client = await import(pathToFileURL(library).href);
const app = JSON.parse(told);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const hear = async () => (await lines.next()).value;

// The issuer's name is of no network: its host is where the test serves it.
const reach = (url, options) => fetch(url.replace(new URL(app.issuer).origin, app.reached), options);
const authentication = app.client_secret ? client.ClientSecretBasic(app.client_secret) : client.None();
const config = await client.discovery(new URL(app.issuer), app.client_id, {}, authentication, {
  execute: [client.allowInsecureRequests],
  [client.customFetch]: reach,
});
config[client.customFetch] = reach;

const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();
say(
  client.buildAuthorizationUrl(config, {
    redirect_uri: app.redirect_uri,
    scope: app.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    max_age: "600",
  }).href,
);

const back = new URL(await hear());
const tokens = await client.authorizationCodeGrant(config, back, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
  maxAge: 600,
});
const claims = tokens.claims();
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
const next = await client.refreshTokenGrant(config, tokens.refresh_token);
const result = { claims, userinfo, rotated: next.refresh_token !== tokens.refresh_token };
if (app.client_secret) {
  result.before = await client.tokenIntrospection(config, next.access_token);
  result.refreshing = await client.tokenIntrospection(config, next.refresh_token);
}
await client.tokenRevocation(config, next.refresh_token);
if (app.client_secret) {
  result.after = await client.tokenIntrospection(config, next.refresh_token);
}
try {
  await client.refreshTokenGrant(config, next.refresh_token);
} catch (error) {
  result.refused = { error: error.error, status: error.status };
}
say(result);
process.exit(0);

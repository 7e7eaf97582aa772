// npm's openid-client registers itself, pushes its request, proves its key, and logs a person out.
// argv: the library's path, and JSON of {issuer, reached, initial, redirect_uri, bye, scope, api}. It
// prints where to send the person, reads where the person came back to, and prints what came of it.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [library, told] = process.argv.slice(2);
const client = await import(pathToFileURL(library).href);
const app = JSON.parse(told);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const hear = async () => (await lines.next()).value;

const reach = (url, options) => fetch(url.replace(new URL(app.issuer).origin, app.reached), options);
const metadata = {
  client_name: "Further",
  redirect_uris: [app.redirect_uri],
  post_logout_redirect_uris: [app.bye],
  grant_types: ["authorization_code", "refresh_token"],
  token_endpoint_auth_method: "client_secret_post",
  dpop_bound_access_tokens: true,
  require_pushed_authorization_requests: true,
};
const config = await client.dynamicClientRegistration(new URL(app.issuer), metadata, undefined, {
  initialAccessToken: app.initial,
  execute: [client.allowInsecureRequests],
  [client.customFetch]: reach,
});
config[client.customFetch] = reach;

const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const pushed = await client.buildAuthorizationUrlWithPAR(
  config,
  {
    redirect_uri: app.redirect_uri,
    scope: app.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
  },
  { DPoP },
);
say(pushed.href);

const back = new URL(await hear());
const checks = { pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true };
const tokens = await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
const sub = tokens.claims().sub;
const userinfo = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP });
const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
const guarded = new URL(app.api);
const answer = await client.fetchProtectedResource(
  config, next.access_token, guarded, "GET", undefined, undefined, { DPoP },
);
const leaving = client.buildEndSessionUrl(config, {
  post_logout_redirect_uri: app.bye,
  id_token_hint: tokens.id_token,
  state: "left",
});
say({
  parameters: [...pushed.searchParams.keys()].sort(),
  kinds: [tokens.token_type, next.token_type],
  userinfo,
  guarded: answer.status,
  sub,
  leaving: leaving.href,
});
process.exit(0);

// A device with npm's openid-client. argv: the library's path, and JSON of {issuer, reached,
// client_id, scope}. It prints what the person is to be shown, and what it got when they allowed it.
import { pathToFileURL } from "node:url";

const [library, told] = process.argv.slice(2);
const client = await import(pathToFileURL(library).href);
const app = JSON.parse(told);
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const reach = (url, options) => fetch(url.replace(new URL(app.issuer).origin, app.reached), options);
const config = await client.discovery(new URL(app.issuer), app.client_id, {}, client.None(), {
  execute: [client.allowInsecureRequests],
  [client.customFetch]: reach,
});
config[client.customFetch] = reach;

const begun = await client.initiateDeviceAuthorization(config, { scope: app.scope });
say(begun);
const tokens = await client.pollDeviceAuthorizationGrant(config, begun);
say({ claims: tokens.claims(), scope: tokens.scope, kind: tokens.token_type });
process.exit(0);

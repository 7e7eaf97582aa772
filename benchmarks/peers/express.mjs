// The usual way in Node: express and http-proxy-middleware, connections to the upstream kept.
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";

const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 256 });
const live = createProxyMiddleware({
  target: "http://127.0.0.1:18091", xfwd: true, ws: true, pathFilter: "/live",
});
const all = createProxyMiddleware({ target: "http://127.0.0.1:18090", xfwd: true, agent });
const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use(live);
app.use(all);

const keys = { cert: fs.readFileSync("cert.pem"), key: fs.readFileSync("key.pem"), minVersion: "TLSv1.3" };
const plain = http.createServer(app);
const tls = https.createServer(keys, app);
plain.on("upgrade", live.upgrade);
for (const server of [plain, tls]) {
  server.keepAliveTimeout = 300_000;
  server.requestTimeout = 0;
}
plain.listen(18080, "127.0.0.1", 4096);
tls.listen(18443, "127.0.0.1", 4096);

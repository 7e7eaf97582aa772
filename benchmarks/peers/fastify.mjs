// fastify and @fastify/http-proxy (undici to the upstream), no request log.
import fs from "node:fs";
import proxy from "@fastify/http-proxy";
import Fastify from "fastify";

// It copies the upstream's Connection field, and with it "keep-alive" to clients that asked to close.
const withoutConnection = ({ connection, ...kept }) => kept;

async function serve(port, https) {
  const server = Fastify({
    https, keepAliveTimeout: 300_000, requestTimeout: 0, bodyLimit: 16 * 1024 * 1024, forceCloseConnections: true,
  });
  await server.register(proxy, {
    upstream: "http://127.0.0.1:18091", prefix: "/live", rewritePrefix: "/live", websocket: true,
    undici: { connections: 256, pipelining: 1 },
  });
  await server.register(proxy, {
    upstream: "http://127.0.0.1:18090", prefix: "/", undici: { connections: 256, pipelining: 1 },
    replyOptions: { rewriteHeaders: withoutConnection },
  });
  await server.listen({ port, host: "127.0.0.1", backlog: 4096 });
}

await serve(18080, null);
await serve(18443, {
  cert: fs.readFileSync("cert.pem"), key: fs.readFileSync("key.pem"), minVersion: "TLSv1.3",
});

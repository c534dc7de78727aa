// The client of docs/graphql.md, as it is there: asks, is refused, watches.
// Takes {host, token, run} as JSON from standard input; prints {status, refused, watched}.
import { readFileSync } from "node:fs";
import WebSocket from "ws";

const { host, token, run } = JSON.parse(readFileSync(0, "utf8"));
globalThis.WebSocket ??= WebSocket;
globalThis.INVITES = host;
const { ask, watch } = await import("./client.mjs");

const { sendRun } = await ask(token, "query($run: ID!) { sendRun(id: $run) { status } }", { run });
const many = "query($run: ID!) { sendRun(id: $run) { messages(first: 101) { nodes { id } } } }";
const refused = await ask(token, many, { run }).catch(({ code, field }) => ({ code, field }));

const watched = [];
const enough = new Promise((seen) => {
  watch(token, "subscription($run: ID!) { sendRunProgress(id: $run) { status } }", { run }, (data) => {
    watched.push(data);
    seen();
  });
});
await enough;
console.log(JSON.stringify({ status: sendRun.status, refused, watched }));
process.exit(0); // the subscription of a finished run would go on for a minute

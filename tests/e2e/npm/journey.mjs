// The journey of journey.graphql with npm's graphql-ws, all of it over one websocket.
// Takes {url, token, schema, operations, input} as JSON from standard input; prints {run, live, summary}.
import { readFileSync } from "node:fs";
import { buildSchema, parse, print, validate } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const { url, token, schema, operations, input } = JSON.parse(readFileSync(0, "utf8"));

const document = parse(operations);
const wrong = validate(buildSchema(schema), document);
if (wrong.length) throw new Error(wrong.join("\n"));

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: `Bearer ${token}` },
  retryAttempts: 0,
});

function values(operationName, variables) {
  const definition = document.definitions.find((each) => each.name.value === operationName);
  return client.iterate({ query: print(definition), operationName, variables });
}

async function one(operationName, variables) {
  for await (const { data, errors } of values(operationName, variables)) {
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }
}

const { precheckSend } = await one("Check", { input });
const { sendInvites } = await one("Send", { token: precheckSend.token });
const run = sendInvites.run.id;

const live = [];
for await (const { data, errors } of values("Live", { run })) {
  if (errors) throw new Error(JSON.stringify(errors));
  live.push(data.sendRunProgress);
  if (data.sendRunProgress.status === "COMPLETED") break;
}

const { sendRun } = await one("Summary", { run });
await client.dispose();
console.log(JSON.stringify({ run, live, summary: sendRun }));

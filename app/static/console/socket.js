// One subscription over graphql-transport-ws, as far as a page needs the protocol; see its PROTOCOL.md at graphql-ws.
import { dataOf } from "../shared/service.js";

const FOR_GOOD = [4400, 4401, 4403]; // the service understood, and does not want to
const PAUSES = [1000, 2000, 5000, 10000];

/**
 * Hands each value's data to `next`. A connection that breaks is opened anew; `state` hears "live", "lost" or, when
 * nothing more will come, "over" with the error, if it was one. Returns what ends it.
 */
export function subscribe(query, operationName, variables, next, state) {
  let socket = null;
  let tries = 0;
  let waiting = null;

  function stop(error) {
    clearTimeout(waiting);
    socket.onclose = null;
    socket.close();
    state("over", error);
  }

  function open() {
    socket = new WebSocket(`${location.origin.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    const say = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => say({ type: "connection_init", payload: { Authorization: `Bearer ${session.token()}` } });
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      if (type === "connection_ack") say({ id: "1", type: "subscribe", payload: { query, operationName, variables } });
      else if (type === "ping") say({ type: "pong" });
      else if (type === "complete") stop();
      else if (type === "next" || type === "error") {
        try {
          next(dataOf(type === "next" ? payload : { errors: payload }));
          tries = 0;
          state("live");
        } catch (error) {
          stop(error);
        }
      }
    };
    socket.onclose = ({ code }) => {
      if (FOR_GOOD.includes(code)) return state("over", { code: "UNAUTHENTICATED" });
      state("lost");
      waiting = setTimeout(open, PAUSES[Math.min(tries++, PAUSES.length - 1)]);
    };
  }

  open();
  return () => {
    state = () => {};
    stop();
  };
}

// One subscription over graphql-transport-ws, as far as a page needs the protocol; see its PROTOCOL.md at graphql-ws.
import { authorization, dataOf } from "../shared/service.js";

const FOR_GOOD = [4400, 4401, 4403]; // the service understood, and does not want to
const PAUSE = 3000; // milliseconds before a connection that broke is opened anew

/**
 * Hands each value's data of an operation to `next`. `state` hears "live", "lost" while there is no connection or, when
 * nothing more will come, "over" with the error, if it was one. Returns what ends it.
 */
export function subscribe(operation, next, state) {
  let socket, waiting;

  function end(error) {
    clearTimeout(waiting);
    socket.onclose = null;
    socket.close();
    state("over", error);
  }

  function open() {
    socket = new WebSocket(`${location.origin.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    const say = (message) => socket.send(JSON.stringify(message));
    const heard = {
      connection_ack: () => say({ id: "1", type: "subscribe", payload: operation }),
      ping: () => say({ type: "pong" }),
      next(answer) {
        next(dataOf(answer));
        state("live");
      },
      error: (errors) => dataOf({ errors }),
      complete: () => end(),
    };
    socket.onopen = () => say({ type: "connection_init", payload: authorization() });
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      try {
        heard[type]?.(payload);
      } catch (error) {
        end(error);
      }
    };
    socket.onclose = ({ code }) => {
      if (FOR_GOOD.includes(code)) return end({ code: "UNAUTHENTICATED" });
      state("lost");
      waiting = setTimeout(open, PAUSE);
    };
  }

  open();
  return () => {
    state = () => {};
    end();
  };
}

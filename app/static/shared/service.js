// What both pages need of the service: asking it, and saying in the header who asks.

const FILES = "/graphql/static";
const NOBODY = "Not signed in. Ask whoever runs the service for a link: invites token --link --user YOUR-NAME";

export const $ = (id) => document.getElementById(id);

export const text = async (path) => (await fetch(`${FILES}/${path}`)).text();

export const authorization = () => (session.token() ? { Authorization: `Bearer ${session.token()}` } : {});

/** Of an answer in GraphQL's form. Throws an Error with its first sentence, its code and whatever else it says. */
export function dataOf({ data, errors }) {
  if (errors) throw Object.assign(new Error(errors[0].message), errors[0].extensions);
  return data;
}

/** A file, or what is answered in JSON. Throws an Error with the code NO_ANSWER where it is neither. */
export async function fetched(address, options) {
  try {
    const answer = await fetch(address, options);
    return await (answer.headers.get("Content-Type").startsWith("text/csv") ? answer.blob() : answer.json());
  } catch {
    throw Object.assign(new Error("The service gives no answer."), { code: "NO_ANSWER" });
  }
}

/** The data of one operation, as {query, operationName, variables}. Throws what `dataOf` and `fetched` throw. */
export async function ask(operation) {
  const headers = { "Content-Type": "application/json", ...authorization() };
  return dataOf(await fetched("/graphql", { method: "POST", headers, body: JSON.stringify(operation) }));
}

/** Forgets what GraphiQL keeps in this window, and starts anew: another person must not find it. */
export function begin(act) {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("graphiql:")) sessionStorage.removeItem(key);
  act?.();
  location.reload();
}

/**
 * Fills the header: who is signed in, or how to. `load()` looks the person up, and gives {sentence, …}; that is
 * returned, or nothing of it where nobody is signed in.
 */
export async function keepHeader(load) {
  const token = session.token();
  const people = session.people();
  const select = $("people").querySelector("select");
  select.append(...people.map((each) => new Option(each.name, each.token, false, each.token === token)));
  select.onchange = () => {
    session.use(select.value);
    location.reload();
  };
  $("sign-in").onsubmit = (event) => {
    event.preventDefault();
    const given = event.target.elements.token.value.trim();
    begin(() => session.use(new URLSearchParams(given.split("#")[1] ?? "").get("token") ?? given));
  };
  $("sign-out").onclick = () => begin(session.end);
  $("people").hidden = people.length < 2;
  $("sign-in").hidden = token !== null;
  $("sign-out").hidden = session.demo || token === null;
  try {
    const found = token === null ? { sentence: NOBODY } : await load();
    $("status").textContent = found.sentence;
    return found;
  } catch (error) {
    const old = error.code === "UNAUTHENTICATED";
    $("sign-in").hidden = !old;
    $("status").textContent = old ? "This link or token holds no longer. Ask for a new one." : error.message;
    return {};
  }
}

// What both pages need of the service: asking it, and saying in the header who asks.

const FILES = "/graphql/static";

export const $ = (id) => document.getElementById(id);

export const text = async (path) => (await fetch(`${FILES}/${path}`)).text();

export const authorization = () => (session.token() ? { Authorization: `Bearer ${session.token()}` } : {});

/** Of an answer in GraphQL's form. Throws an Error with its first sentence, its code and whatever else it says. */
export function dataOf({ data, errors }) {
  if (errors) throw Object.assign(new Error(errors[0].message), errors[0].extensions);
  return data;
}

/** `address` as an answer, for `read` to make something of. Throws an Error with the code NO_ANSWER where there is none. */
export async function fetched(address, options, read) {
  try {
    return await read(await fetch(address, options));
  } catch {
    throw Object.assign(new Error("The service gives no answer."), { code: "NO_ANSWER" });
  }
}

/** The data of one operation of a document. Throws what `dataOf` and `fetched` throw. */
export async function ask(query, operationName, variables) {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization() },
    body: JSON.stringify({ query, operationName, variables }),
  };
  return dataOf(await fetched("/graphql", options, (answer) => answer.json()));
}

/** Forgets what GraphiQL keeps in this window, and starts anew: another person must not find it. */
export function begin(act) {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("graphiql:")) sessionStorage.removeItem(key);
  act?.();
  location.reload();
}

/**
 * Keeps the header: who is signed in, or how to. `load()` looks the person up, again for each whose eyes one looks
 * through, and gives {sentence, …}; that is returned, or {} where nobody is signed in.
 */
export async function keepHeader(load) {
  $("people").addEventListener("change", async (event) => {
    session.use(event.target.value);
    await signIn(load);
  });
  $("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = event.target.elements.token.value.trim();
    begin(() => session.use(new URLSearchParams(given.split("#")[1] ?? "").get("token") ?? given));
  });
  $("sign-out").addEventListener("click", () => begin(session.end));
  return signIn(load);
}

async function signIn(load) {
  const people = session.people();
  const select = $("people").querySelector("select");
  select.replaceChildren(...people.map(({ token, name }) => new Option(name, token, false, token === session.token())));
  $("people").hidden = people.length < 2;
  $("sign-in").hidden = session.token() !== null;
  $("sign-out").hidden = session.demo || session.token() === null;
  if (session.token() === null) {
    $("status").textContent =
      "Not signed in. Ask whoever runs the service for a link: invites token --link --user YOUR-NAME";
    return {};
  }
  try {
    const found = await load();
    $("status").textContent = found.sentence;
    return found;
  } catch (error) {
    $("sign-in").hidden = error.code !== "UNAUTHENTICATED";
    $("status").textContent =
      error.code === "UNAUTHENTICATED" ? "This link or token holds no longer. Ask for a new one." : error.message;
    return {};
  }
}

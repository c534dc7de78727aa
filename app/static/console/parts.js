// What all views are made of: elements, buttons that say what went wrong, and questions before what cannot be undone.
import { $, ask as askService, text } from "../shared/service.js";
import { subscribe } from "./socket.js";
import { ADVICE, count } from "./words.js";

const definitions = new Map(
  (await text("console/operations.graphql"))
    .split(/^(?=query|mutation|subscription|fragment)/m)
    .map((each) => [each.match(/^\w+ (\w+)/)?.[1], each]),
);

/** With the fragments that it spreads, and no others: the service reads all that it is sent. */
function operation(operationName, variables) {
  const found = new Set([operationName]); // grows while one walks through it
  for (const each of found) {
    for (const [, spread] of definitions.get(each).matchAll(/\.\.\.(\w+)/g)) found.add(spread);
  }
  return { query: [...found].map((each) => definitions.get(each)).join(""), operationName, variables };
}

export const ask = (name, variables) => askService(operation(name, variables));

/** Ends what the view before was watching. */
export let unwatch = () => {};

/** A subscription for as long as this view is shown; see `subscribe`. */
export function watch(name, variables, next, state) {
  unwatch = subscribe(operation(name, variables), next, state);
}

/** Shows the view anew, below what has just happened. */
export const again = (words) => dispatchEvent(new CustomEvent("again", { detail: words }));

/** Shows what an address names: anew, where it stands there already. */
export function go(words) {
  if (location.hash === `#${words}`) again();
  else location.hash = words;
}

/** Puts parts where others were: elements, texts and lists of them. What there is not is left out. */
export function fill(place, ...parts) {
  place.replaceChildren(...parts.flat(Infinity).filter(Boolean));
  return place;
}

/** An element with its parts. Plain objects among them are attributes as texts, and properties as anything else. */
export function h(tag, ...parts) {
  const made = document.createElement(tag);
  const flat = parts.flat(Infinity);
  const given = flat.filter((each) => each?.constructor === Object);
  for (const [name, value] of given.flatMap(Object.entries)) {
    if (typeof value === "string") made.setAttribute(name, value);
    else made[name] = value;
  }
  return fill(made, flat.filter((each) => !given.includes(each)));
}

/** What went wrong, in the console's own words where the service speaks to programs, and what can be done about it. */
export function told({ message, code, errorId }) {
  const words = code === "UNAUTHENTICATED" ? "Your link holds no longer." : message;
  return `${words}${errorId ? ` (${errorId})` : ""} ${ADVICE[code] ?? ADVICE.INTERNAL}`;
}

/** Runs `act`, and what was `pressed` cannot be meanwhile. What it throws is told with what can be done about it. */
export async function guarded(act, pressed = {}) {
  const place = document.querySelector("dialog[open] [role=alert]") ?? $("trouble");
  place.hidden = true;
  pressed.disabled = true;
  try {
    await act();
  } catch (error) {
    if (!ADVICE[error.code]) console.error(error);
    place.textContent = told(error);
    place.hidden = false;
    place.scrollIntoView({ block: "nearest" });
  }
  pressed.disabled = false;
}

export function button(label, act, given) {
  const made = h("button", { type: "button", onclick: () => guarded(act, made) }, given, label);
  return made;
}

/** A form whose fields `act` gets by name, once they are complete. */
export function form(act, ...children) {
  const made = h("form", children);
  made.onsubmit = (event) => {
    event.preventDefault();
    guarded(() => act(Object.fromEntries(new FormData(made))), event.submitter);
  };
  return made;
}

/**
 * Asks before `act` does what cannot be undone. It stays open where that fails, so that one can try again; what `act`
 * returns gets the focus, which nothing outside can have before.
 */
export function question(title, body, yes, act) {
  const confirm = async () => {
    const next = await act();
    dialog.close();
    next?.focus();
  };
  const dialog = h("dialog", { "aria-labelledby": "question", onclose: () => dialog.remove() },
    h("h2", { id: "question", tabIndex: -1, autofocus: true }, title),
    body,
    h("p", { class: "bad", role: "alert", hidden: true }),
    h("div", { class: "buttons" },
      button(yes, confirm, { class: "main" }),
      button("No, go back", () => dialog.close()),
    ),
  );
  $("view").append(dialog);
  dialog.showModal();
}

/** A table of counts with what they mean and what can be done, or nothing for none. */
export function reasons(title, rows) {
  const line = ({ count, operatorText, nextStep }) =>
    counted(count, h("td", h("strong", operatorText), " ", nextStep));
  return rows.length > 0 && h("section", h("h2", title), h("table", h("tbody", rows.map(line))));
}

export const counted = (number, ...cells) => h("tr", h("td", { class: "count" }, count(number)), cells);

/** A list that `page(after)` brings piece by piece, as {nodes, pageInfo} or not at all; `line` makes an element of a node. */
export async function pages(page, line, none) {
  const list = h("ul");
  const more = button("Show more", next);
  let after = null;
  async function next() {
    const { nodes, pageInfo } = (await page(after)) ?? { nodes: [], pageInfo: {} };
    list.append(...nodes.map((node) => h("li", line(node))));
    after = pageInfo.endCursor;
    more.hidden = !pageInfo.hasNextPage;
  }
  await next();
  return list.children.length ? [list, more] : h("p", none);
}

export const field = (name, label, ...given) => h("label", label, h("input", { name }, given));

/** `options` as [value, words], of which one may be `chosen` already. */
export function select(name, label, options, chosen, given) {
  const offered = options.map(([value, words]) => new Option(words, value, false, value === chosen));
  return h("label", label, h("select", { name }, given, offered));
}

// What all views are made of: elements, buttons that say what went wrong, and questions before what cannot be undone.
import { $, ask as askService, text } from "../shared/service.js";
import { subscribe } from "./socket.js";
import { ADVICE, count as countWords } from "./words.js";

const definitions = new Map(
  (await text("console/operations.graphql"))
    .split(/^(?=query|mutation|subscription|fragment)/m)
    .map((each) => [each.match(/^\w+ (\w+)/)?.[1], each]),
);

/** A definition with the fragments that it spreads: the service reads all that it is sent. */
function documentOf(name) {
  const found = new Set([name]); // grows while one walks through it
  for (const each of found) {
    for (const [, spread] of definitions.get(each).matchAll(/\.\.\.(\w+)/g)) found.add(spread);
  }
  return [...found].map((each) => definitions.get(each)).join("");
}

export const ask = (operation, variables) => askService(documentOf(operation), operation, variables);

let watched = null;

/** Ends what the view before was watching. */
export function unwatch() {
  watched?.();
  watched = null;
}

/** A subscription for as long as this view is shown; see `subscribe`. */
export function watch(operation, variables, next, state) {
  watched = subscribe(documentOf(operation), operation, variables, next, state);
}

/** Shows the view anew, below what has just happened. */
export function again(words) {
  dispatchEvent(new CustomEvent("again", { detail: words }));
}

/** Shows what an address names: anew, where it stands there already. */
export function go(words) {
  if (location.hash === `#${words}`) again();
  else location.hash = words;
}

/** What is there of parts that may be lists, or left out. */
export const there = (parts) => parts.flat(Infinity).filter((each) => each || each === 0);

/** An element. `given` has attributes as texts, and properties as anything else: listeners too. */
export function h(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "string") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...there(children));
  return made;
}

export const heading = (level, ...words) => h(`h${level}`, { tabIndex: -1 }, ...words);

/** What went wrong, in the console's own words where the service speaks to programs, and what can be done about it. */
export function told({ message, code, errorId }) {
  const words = code === "UNAUTHENTICATED" ? "Your link holds no longer." : message;
  return `${words}${errorId ? ` (${errorId})` : ""} ${ADVICE[code] ?? ADVICE.INTERNAL}`;
}

/** Runs `act`; what it throws is told, in an open dialog or at the top, with what can be done about it. */
export async function guarded(act) {
  const place = document.querySelector("dialog[open] [role=alert]") ?? $("trouble");
  place.hidden = true;
  try {
    await act();
  } catch (error) {
    if (!ADVICE[error.code]) console.error(error);
    place.textContent = told(error);
    place.hidden = false;
    place.scrollIntoView({ block: "nearest" });
  }
}

/** While `act` runs it cannot be pressed again. */
export function button(label, act, given = {}) {
  const made = h("button", { type: "button", ...given }, label);
  made.onclick = async () => {
    made.disabled = true;
    await guarded(act);
    made.disabled = false;
  };
  return made;
}

/** A form whose fields `act` gets by name, once they are complete; the last child is its button. */
export function form(act, ...children) {
  const made = h("form", {}, ...children);
  made.onsubmit = async (event) => {
    event.preventDefault();
    const pressed = made.querySelector("button:not([type])");
    if (pressed.disabled) return;
    pressed.disabled = true;
    await guarded(() => act(Object.fromEntries(new FormData(made))));
    pressed.disabled = false;
  };
  return made;
}

/** Asks before `act` does what cannot be undone. It stays open where that fails, so that one can try again; what `act`
 * returns gets the focus, which nothing outside can have before. */
export function question(title, body, yes, act) {
  const name = h("h2", { id: "question", tabIndex: -1, autofocus: true }, title);
  const confirm = button(yes, async () => {
    const next = await act();
    dialog.close();
    next?.focus();
  });
  confirm.className = "main";
  const back = button("No, go back", () => dialog.close());
  const trouble = h("p", { class: "bad", role: "alert", hidden: true });
  const buttons = h("div", { class: "buttons" }, confirm, back);
  const dialog = h("dialog", { "aria-labelledby": "question" }, name, body, trouble, buttons);
  dialog.onclose = () => dialog.remove();
  $("view").append(dialog);
  dialog.showModal();
}

export const counted = (count, ...cells) => h("tr", {}, h("td", { class: "count" }, countWords(count)), cells);

/** A table of counts with what they mean and what can be done, or nothing for none. */
export function reasons(title, rows) {
  if (!rows.length) return null;
  const line = ({ count, operatorText, nextStep }) =>
    counted(count, h("td", {}, h("strong", {}, operatorText), " ", nextStep));
  return h("section", {}, h("h2", {}, title), h("table", {}, h("tbody", {}, rows.map(line))));
}

/** A list that `page(after)` brings piece by piece, as {nodes, pageInfo} or not at all; `line` makes an element of a node. */
export async function pages(page, line, none) {
  const list = h("ul");
  const more = button("Show more", () => next());
  const place = h("div", {}, list, more);
  let after = null;
  async function next() {
    const { nodes, pageInfo } = (await page(after)) ?? { nodes: [], pageInfo: {} };
    list.append(...nodes.map((node) => h("li", {}, line(node))));
    after = pageInfo.endCursor;
    more.hidden = !pageInfo.hasNextPage;
  }
  await next();
  return list.children.length ? place : h("p", {}, none);
}

export function select(name, label, options, given = {}) {
  const offered = options.map(([value, words]) => h("option", { value }, words));
  return h("label", {}, label, h("select", { name, ...given }, offered));
}

export const field = (name, label, given = {}) => h("label", {}, label, h("input", { name, ...given }));

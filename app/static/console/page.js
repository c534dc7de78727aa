// The console: what the address names is what is shown, so links, reload and the back button do what one expects.
import { $, keepHeader } from "../shared/service.js";
import { openView } from "./check.js";
import { findView, finder, guestView } from "./guest.js";
import { ask, fill, guarded, h, unwatch } from "./parts.js";
import { runView } from "./run.js";
import { chooseView, retryView } from "./send.js";
import { ROLES, STATUSES, count, many, when, where } from "./words.js";

const PREPARES = "You can prepare, look and block; somebody else sends.";

async function homeView() {
  const { displayName, memberships } = (await ask("Home")).me;
  return [
    h("h1", `Welcome, ${displayName}`),
    memberships.map(weddingView),
    !memberships.length && h("p", "You are a member of no wedding yet. Ask whoever invited you here."),
  ];
}

function weddingView({ role, workspace: wedding }) {
  const { provider, viewerCan, events, sendRuns } = wedding;
  const note = !provider.configured
    ? "There is no WhatsApp number to send from yet."
    : provider.paused
      ? `Nothing goes out at the moment: ${provider.pausedReason}`
      : provider.simulated && "This is practice with a simulated WhatsApp: nobody gets a real message.";
  return h("section",
    h("h2", wedding.name),
    h("p", `You are ${ROLES[role]} here. `, viewerCan.includes("INVITE_SEND") ? "You can send." : PREPARES),
    note && h("p", { class: "note" }, note),
    events.map((event) => eventView(event, wedding)),
    h("h3", "Latest sends"),
    sendRuns.nodes.length ? h("ul", sendRuns.nodes.map((run) => runLine(run, wedding))) : h("p", "None yet."),
    finder(wedding.id),
  );
}

function eventView(event, wedding) {
  const { households, notTried, pending, delivered, read, failed, blocked } = event.coverage;
  const counts = [
    `${many(households, "household")}: ${count(delivered + read)} have it, ${count(read)} of them read it`,
    `${count(notTried)} not invited yet`,
    pending && `${count(pending)} waiting`,
    failed && `${count(failed)} failed`,
    blocked && `${count(blocked)} held back`,
  ];
  return h("article",
    h("h3", event.title),
    h("p", where(event, wedding)),
    h("p", counts.filter(Boolean).join(", "), "."),
    event.status === "PUBLISHED"
      ? h("a", { href: `#event=${event.id}`, class: "button" }, `Invite to ${event.title}`)
      : h("p", "Not published: no invites can go out."),
  );
}

function runLine({ id, kind, status, createdAt, event, summary }, { timezone }) {
  const test = kind === "TEST" ? " (test)" : "";
  const link = h("a", { href: `#run=${id}` }, `${event.title}${test}, ${when(createdAt, timezone)}`);
  const arrived = `${count(summary.reachedDelivered)} of ${many(summary.eligible, "message")} arrived`;
  return h("li", link, ` – ${STATUSES[status]}: ${arrived}, ${count(summary.reachedRead)} read`);
}

function viewOf({ run, event, retry, precheck, guest, find, wedding }) {
  if (run) return runView(run);
  if (event) return chooseView(event);
  if (retry) return retryView(retry);
  if (precheck) return openView(precheck);
  if (guest) return guestView(guest, wedding);
  return find ? findView(find, wedding) : homeView();
}

async function show(words) {
  unwatch();
  await guarded(async () => {
    const view = await viewOf(session.link());
    fill($("view"), words && h("p", { class: "note", role: "status" }, words), view);
    const title = $("view").querySelector("h1");
    document.title = `${title.textContent} · WhatsApp Invites`;
    title.tabIndex = -1;
    title.focus();
  });
}

// One after the other, however quickly one goes on: the last that was asked for is what stays.
let shown = Promise.resolve();
const route = (words) => (shown = shown.then(() => show(words)));

addEventListener("hashchange", () => session.token() && route());
// A link to what the address names already: what failed there before is tried again.
addEventListener("click", ({ target }) => {
  if (session.token() && target.closest("a[href^='#']")?.hash === location.hash) route();
});
addEventListener("again", ({ detail }) => route(detail));

await keepHeader(async () => {
  const { me } = await ask("Who");
  await route();
  return { sentence: [me.displayName, ...new Set(me.memberships.map(({ role }) => ROLES[role]))].join(" · ") };
});

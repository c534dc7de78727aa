// The second half of a send: what a check found, a test on one's own phone, the question, and off it goes.
import { ask, button, field, fill, form, go, h, question, reasons } from "./parts.js";
import { count, many, roles, where } from "./words.js";

/** What somebody else has prepared. */
export async function openView(token) {
  const { precheck } = await ask("Open", { token });
  if (!precheck) return h("h1", "This check is too old, or of another wedding. Ask for a new one.");
  const { event } = precheck;
  const place = h("section");
  showCheck(place, precheck, { words: "As prepared" });
  return [h("h1", `Invite to ${event.title}`), h("p", where(event, event.workspace)), place];
}

/** `message` is what one can send a test of, `words` whom it is for; another check takes its place. Returns its title. */
export function showCheck(place, precheck, { message, words }, before) {
  const { token, readyToSend, eligibleCount, rejectedCount, event, blockers, warnings } = precheck;
  const { viewerCan, rolesThatSend } = event.workspace;
  const sends = viewerCan.includes("INVITE_SEND");
  const invites = many(eligibleCount, "invite");
  const link = h("a", { href: `#precheck=${token}` }, "this check");
  return show(
    before,
    h("h2", `${invites} would go out, ${count(rejectedCount)} held back`),
    blockers.map(refusal),
    warnings.map((each) => h("p", { class: "note" }, each.message)),
    reasons("Held back, and why", precheck.rejections),
    rejectedCount > 0 && heldBack(precheck.candidates),
    precheck.previews.length > 0 && h("h2", "What they read"),
    precheck.previews.map(preview),
    sends && message && precheck.template && testForm(message),
    !sends && h("p", { class: "note" }, `You can prepare this. Only ${roles(rolesThatSend)} can send it.`),
    !sends && readyToSend && h("p", "Give them a link to ", link, ". It holds for 15 minutes."),
    sends && readyToSend && h("div", { class: "buttons" }, button(`Send ${invites} …`, confirm, { class: "main" })),
  );

  function show(...parts) {
    const title = fill(place, parts).querySelector("h2");
    title.tabIndex = -1;
    title.focus();
    title.scrollIntoView();
    return title;
  }

  function confirm() {
    question(`Send ${invites} to ${event.title}?`, summed(precheck, words), `Yes, send ${invites} now`, send);
  }

  async function send() {
    const { sendInvites: sent } = await ask("Send", { token });
    if (sent.run) return go(`run=${sent.run.id}`);
    if (sent.precheck) return showCheck(place, sent.precheck, { message, words }, refusal(sent));
    return show(h("h2", "Nothing was sent"), refusal(sent));
  }
}

/** All that one should know before saying yes. */
function summed({ event, trace, eligibleCount, rejectedCount, rejections }, words) {
  const { simulated } = event.workspace.provider;
  return h("div",
    h("p", h("strong", event.title), ` · ${where(event, event.workspace)}`),
    h("p", words, trace && ` – ${count(trace.selectedUnits)} of ${many(trace.units, "household")}`),
    h("p", h("strong", `${many(eligibleCount, "invite")} will be sent.`)),
    h("p", simulated ? "This is practice: nobody gets a real message." : "These are real messages."),
    h("p", rejectedCount ? `${count(rejectedCount)} held back:` : "Nobody is held back."),
    h("ul", rejections.map((each) => h("li", `${count(each.count)} × ${each.operatorText}`))),
  );
}

function heldBack({ nodes, totalCount }) {
  const lines = nodes.map((each) => h("li", `${each.recipientName} – ${each.rejection.operatorText}`));
  const more = totalCount - nodes.length;
  return h("details",
    h("summary", "Who is held back"),
    h("ul", lines, more > 0 && h("li", `… and ${count(more)} more`)),
  );
}

const preview = ({ recipientName, text, mediaUrl }) => [
  h("p", `To ${recipientName}`, mediaUrl && `, with ${mediaUrl}`),
  h("blockquote", text),
];

const refusal = ({ message, nextStep }) => h("p", { class: "bad", role: "alert" }, h("strong", message), " ", nextStep);

/** The same phone again is the same test, until the check is made anew. */
function testForm(message) {
  const keys = {};
  const result = h("p", { role: "status" });
  const test = form(
    async ({ phone }) => {
      keys[phone] ??= String(crypto.getRandomValues(new BigUint64Array(2)));
      const { sendTest: sent } = await ask("Test", { input: { ...message, phone, idempotencyKey: keys[phone] } });
      fill(result, sent.run ? h("a", { href: `#run=${sent.run.id}` }, "Sent. Watch it") : refusal(sent));
    },
    field("phone", "Your phone, with country code", { type: "tel", required: true, autocomplete: "tel" }),
    h("button", "Send the test"),
    result,
  );
  return h("details", h("summary", "Try it on your own phone first"), test);
}

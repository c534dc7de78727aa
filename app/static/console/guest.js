// Finding a guest, seeing why they got something or not, and blocking a phone.
import { again, ask, field, form, go, h, pages, select } from "./parts.js";
import { SIDES, STATES, many, when } from "./words.js";

export function finder(wedding, given = "") {
  const find = ({ search }) => go(new URLSearchParams({ find: search, wedding }));
  const label = "Find a guest: part of a name or phone";
  return form(find, field("search", label, { type: "search", value: given, required: true }), h("button", "Find"));
}

export async function findView(search, wedding) {
  const page = async (after) => (await ask("Find", { wedding, search, after })).workspace?.guestUnits;
  const line = ({ id, name, doNotMessage, people }) => [
    h("a", { href: `#guest=${id}&wedding=${wedding}` }, name),
    ` – ${people.map((each) => each.name).join(", ")}`,
    doNotMessage && " · must not be messaged",
  ];
  const found = await pages(page, line, "Nobody is called so, or has such a phone.");
  return [h("h1", `Guests like “${search}”`), finder(wedding, search), found];
}

export async function guestView(unit, wedding) {
  const { workspace, guestUnit: guest } = await ask("Guest", { unit, wedding });
  if (!workspace || !guest) return h("h1", "There is no such guest, or you may not see them.");
  const { name, side, tags, inviteable, archived, deliveryPhone, people, messages } = guest;
  const phones = [...new Set([deliveryPhone, ...people.map(({ phone }) => phone)].filter(Boolean))];
  const found = await Promise.all(phones.map((phone) => ask("Blocks", { wedding, phone })));
  // The search finds parts of phones too.
  const near = found.flatMap((each) => each.workspace.doNotMessage.nodes);
  const blocks = near.filter(({ phone }) => phones.includes(phone));
  const free = phones.filter((phone) => !blocks.some((each) => each.phone === phone));
  const standing = [SIDES[side], ...tags, !inviteable && "not to be invited", archived && "archived"];
  return [
    h("h1", name),
    h("p", standing.filter(Boolean).join(" · ")),
    h("ul", people.map(personLine)),
    blocks.map((each) => blockView(each, workspace)),
    free.length > 0 && workspace.viewerCan.includes("BLOCK_ADD") && blockForm(free, wedding),
    h("h2", "Messages"),
    messages.nodes.map((each, place) => messageView(each, workspace, place === 0)),
    !messages.nodes.length && h("p", "Nothing was ever planned for this household."),
  ];
}

function personLine({ name, phone, rawPhone, phoneStatus }) {
  const given = phoneStatus === "MISSING" ? "no phone" : `${rawPhone} (not a valid number)`;
  return h("li", `${name} – ${phone ?? given}`);
}

/** Something that asks why. */
function reasoned(title, act, ...fields) {
  const why = field("reason", "Why", { required: true, maxLength: 500 });
  return h("details", h("summary", title), form(act, fields, why, h("button", "Do it")));
}

function blockForm(phones, workspaceId) {
  const choice = select("phone", "Phone", phones.map((each) => [each, each]));
  const act = async ({ phone, reason }) => {
    const { addDoNotMessage } = await ask("Block", { input: { workspaceId, phone, reason } });
    const late = addDoNotMessage.onTheirWay.length;
    const more = late ? `${many(late, "message")} may still arrive: nobody can call them back.` : "";
    again(`Blocked. Nothing more goes out to this phone. ${more}`);
  };
  return reasoned("Never message this phone again", act, choice);
}

function blockView({ id, phone, reason, numberWide, createdAt }, { viewerCan, timezone }) {
  const act = async (given) => {
    await ask("Unblock", { input: { id, reason: given.reason } });
    again("Taken back. This phone can be messaged.");
  };
  const may = !numberWide && viewerCan.includes("BLOCK_REVOKE");
  const why = numberWide ? "The guest asked WhatsApp for it." : "Only Owner or Parent Admin can take it back.";
  return h("div", { class: "bad" },
    h("p", h("strong", `${phone} must not be messaged: `), `${reason} (${when(createdAt, timezone)})`),
    may ? reasoned("Take it back", act) : h("p", why),
  );
}

function messageView({ state, operatorText, nextStep, text, rejection, failure, run, timeline }, { timezone }, open) {
  const why = rejection ?? failure;
  const step = ({ at, text: words, late, repeated }) =>
    h("li",
      h("time", { dateTime: at }, when(at, timezone)), h("br"), words,
      late && " (came late, changed nothing)", repeated && " (told before)",
    );
  const test = run.kind === "TEST" ? " (test)" : "";
  return h("article",
    h("h3", h("a", { href: `#run=${run.id}` }, run.event.title), `${test} – ${STATES[state]}`),
    h("p", operatorText, " ", why && h("strong", why.operatorText), " ", why?.nextStep ?? nextStep),
    h("details", { open }, h("summary", "What happened"), h("ol", timeline.map(step))),
    h("details", h("summary", "The message"), h("blockquote", text)),
  );
}

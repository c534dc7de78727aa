// The first half of a send: whom to invite, and with which message. The second is in check.js.
import { PICTURE, SOURCES, sourceOf } from "../shared/gaps.js";
import { showCheck } from "./check.js";
import { ask, field, fill, form, guarded, h, select } from "./parts.js";
import { SIDES, STATES, many, where } from "./words.js";

const STANDINGS = [
  ["", "Everybody"],
  ["NOT_TRIED", "Only those not invited yet"],
  ["NOT_TRIED,BLOCKED,FAILED", "All who have not got it, also those tried before"],
];
const RETRIED = ["FAILED", "CANCELLED", "REJECTED", "UNCONFIRMED"];
const COUNTED_AFTER = 250; // milliseconds without another change
const TWICE = "Also those who have this invite already: they get a second one";
const SAME = "The same words for everybody";

/** `retried` is the earlier run whose messages are tried again, instead of an audience. */
export async function chooseView(eventId, retried) {
  const { event } = await ask("Choose", { event: eventId });
  if (!event) return h("h1", "There is no such event, or you may not see it.");
  const wedding = event.workspace;
  const templates = wedding.templates.filter((each) => each.supported);
  const title = [
    h("h1", retried ? `Try again: ${event.title}` : `Invite to ${event.title}`),
    h("p", where(event, wedding)),
  ];
  if (!templates.length) {
    return [title, h("p", { class: "bad" }, "WhatsApp has approved no message yet that can be sent from here.")];
  }
  const label = ({ name, language }) => `${name} (${language})`;
  const last = (retried ?? wedding.sendRuns.nodes[0])?.template;
  const offered = templates.map((each) => [label(each), label(each)]);
  const choice = select("template", "Message", offered, last && label(last));
  const picked = () => templates[choice.control.selectedIndex];
  const gaps = h("div");
  const counted = h("p", { role: "status" });
  const checked = h("section");
  const who = h("fieldset", h("legend", "Who"), retried ? whomAgain(retried) : whomAnew(wedding), counted);
  const all = form(check, who,
    h("fieldset", h("legend", "The message"), choice, gaps),
    h("button", { class: "main" }, "Check who gets it"),
  );

  let choices = 0; // what was asked about an earlier one is not told any more

  async function check(given) {
    const [asked, words] = [choices, wordsOf(who)];
    const { name, language, parameters } = picked();
    const message = { eventId, templateName: name, templateLanguage: language };
    message.parameters = parameters.map((gap, number) => filling(gap, number, given));
    const { precheckSend } = await ask("Check", { input: { ...message, ...chosen() } });
    if (asked === choices) showCheck(checked, precheckSend, { message, words });
  }

  /** The audience as a precheck takes it. */
  function chosen() {
    const given = new FormData(all);
    if (retried) return { fromRun: { runId: retried.id, states: given.getAll("state") } };
    const { side, standing, search, twice } = Object.fromEntries(given);
    const coverage = standing ? standing.split(",") : null;
    const audience = { side: side || null, coverage, search: search || null, tags: given.getAll("tag") };
    return { audience, includeAlreadyInvited: Boolean(twice) };
  }

  function describe() {
    const fields = picked().parameters.map((gap, number) => gapView(gap, number, wedding.provider.simulated));
    fill(gaps, h("blockquote", picked().text), fields);
  }

  async function count() {
    if (retried) return;
    const asked = choices;
    const { audiencePreview: found } = await ask("Count", { input: { eventId, audience: chosen().audience } });
    if (asked !== choices) return;
    const without = found.withoutPhone ? ` ${many(found.withoutPhone, "household")} without a usable phone.` : "";
    counted.textContent = `${many(found.selectedUnits, "household")}, ${many(found.recipients, "phone")}.${without}`;
  }

  let waiting = null;
  all.oninput = ({ target }) => {
    choices += 1;
    fill(checked); // what it said is not what would be sent any more
    if (target === choice.control) describe();
    clearTimeout(waiting);
    waiting = setTimeout(() => guarded(count), COUNTED_AFTER);
  };
  describe();
  await count();
  return [title, all, checked];
}

export async function retryView(runId) {
  const { sendRun: run } = await ask("Run", { run: runId });
  return run ? chooseView(run.event.id, run) : h("h1", "There is no such send, or you may not see it.");
}

const tick = (name, value, words, given) => h("label", h("input", { type: "checkbox", name, value }, given), words);

function whomAnew({ sides, tags }) {
  const families = sides.map(({ side, guestUnits }) => [side, `${SIDES[side]} (${guestUnits})`]);
  const boxes = tags.map(({ name, guestUnits }) => tick("tag", name, `${name} (${guestUnits})`));
  return [
    select("side", "Family", [["", "Both families"], ...families]),
    select("standing", "How they stand", STANDINGS),
    field("search", "Part of a name or phone", { type: "search" }),
    boxes.length > 0 && h("details", h("summary", "Only with these tags"), boxes),
    tick("twice", "on", TWICE),
  ];
}

function whomAgain({ summary }) {
  return RETRIED.map((state) => {
    const { count } = summary.byState.find((each) => each.state === state);
    const doubt = state === "UNCONFIRMED"; // nobody knows whether they have it
    const words = `${STATES[state]} (${count})${doubt ? ": they may get it twice" : ""}`;
    return tick("state", state, words, { checked: count > 0 && !doubt, disabled: !count });
  });
}

/** The choice as it can be read out before sending. */
function wordsOf(who) {
  const word = ({ type, checked, value, labels, selectedOptions }) => {
    if (type === "checkbox") return checked && labels[0].textContent;
    return value && (selectedOptions?.[0].text ?? `“${value}”`);
  };
  const words = [...who.querySelectorAll("input, select")].map(word).filter(Boolean);
  return words.join(", ") || "Everybody on the guest list";
}

/** The field for a gap of the message, already chosen where its name says what; `practice` brings a picture. */
function gapView(gap, number, practice) {
  const { component, name, position, kind, example } = gap;
  const hint = example ? `, for example ${example}` : "";
  const source = sourceOf(gap);
  const value = (label, given) => field(`value${number}`, label, { required: true }, given);
  const fixed = h("input", { type: "hidden", name: `source${number}`, value: source });
  if (source === "MEDIA_URL") {
    return [fixed, value(`Web address of the ${kind.toLowerCase()}`, { type: "url", value: practice ? PICTURE : "" })];
  }
  if (kind === "URL_SUFFIX") return [fixed, value(`End of the button's address${hint}`)];
  const own = value(`${SAME}${hint}`, { disabled: true });
  own.hidden = true;
  const onchange = ({ target }) => {
    own.hidden = own.control.disabled = target.value !== "TEXT";
  };
  const label = `Gap “${name ?? position}” of the ${component.toLowerCase()}`;
  const sources = [["", "Choose …"], ...Object.entries(SOURCES), ["TEXT", SAME]];
  const chosen = source === "TEXT" ? "" : source;
  return [select(`source${number}`, label, sources, chosen, { required: true, onchange }), own];
}

function filling({ component, buttonIndex, name, position }, number, given) {
  return { component, buttonIndex, name, position, source: given[`source${number}`], value: given[`value${number}`] };
}

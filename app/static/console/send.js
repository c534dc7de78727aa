// The first half of a send: whom to invite, and with which message. The second is in check.js.
import { checkedView, show } from "./check.js";
import { ask, field, form, guarded, h, heading, select } from "./parts.js";
import { SIDES, SOURCES, STATES, many, where } from "./words.js";

const STANDINGS = [
  ["", "Everybody"],
  ["NOT_TRIED", "Only those not invited yet"],
  ["NOT_TRIED,BLOCKED,FAILED", "All who have not got it, also those tried before"],
];
const RETRIED = ["FAILED", "CANCELLED", "REJECTED", "UNCONFIRMED"];
const MEDIA = ["IMAGE", "VIDEO", "DOCUMENT"];
const COUNTED_AFTER = 250; // milliseconds without another change
const TWICE = "Also those who have this invite already: they get a second one";

/** `retried` is the earlier run whose messages are tried again, instead of an audience. */
export async function chooseView(eventId, retried) {
  const { event } = await ask("Choose", { event: eventId });
  if (!event) return [heading(1, "There is no such event, or you may not see it.")];
  const wedding = event.workspace;
  const templates = wedding.templates.filter((each) => each.supported);
  const title = [
    heading(1, retried ? `Try again: ${event.title}` : `Invite to ${event.title}`),
    h("p", {}, where(event, wedding)),
  ];
  if (!templates.length) {
    return [title, h("p", { class: "bad" }, "WhatsApp has approved no message yet that can be sent from here.")];
  }
  const last = (retried ?? wedding.sendRuns.nodes[0])?.template;
  const counted = h("p", { role: "status" });
  const gaps = h("div");
  const checked = h("section");
  const names = templates.map(({ name, language }, place) => [String(place), `${name} (${language})`]);
  const choice = select("template", "Message", names);
  const picked = choice.querySelector("select");
  const place = templates.findIndex(({ name, language }) => name === last?.name && language === last.language);
  picked.value = String(Math.max(place, 0));

  let choices = 0; // what was asked about an earlier one is not told any more

  const all = form(
    async (given) => {
      const [asked, words] = [choices, wordsOf(all)];
      const { name, language, parameters } = templates[picked.value];
      const message = { eventId, templateName: name, templateLanguage: language };
      message.parameters = parameters.map((gap, number) => filling(gap, given, number));
      const audience = retried ? { fromRun: { runId: retried.id, states: ticked(all, "state") } } : audienceOf(all);
      const { precheckSend } = await ask("Check", { input: { ...message, ...audience } });
      if (asked === choices) show(checked, checkedView(precheckSend, { message, words }, checked));
    },
    h("fieldset", {}, h("legend", {}, "Who"), retried ? whomAgain(retried) : whomAnew(wedding), counted),
    h("fieldset", {}, h("legend", {}, "The message"), choice, gaps),
    h("button", { class: "main" }, "Check who gets it"),
  );

  function describe() {
    const { text, parameters } = templates[picked.value];
    const fields = parameters.map((gap, number) => gapView(gap, number, wedding.provider.simulated));
    gaps.replaceChildren(h("blockquote", {}, text), ...fields);
  }

  async function count() {
    if (retried) return;
    const asked = choices;
    const { audience } = audienceOf(all);
    const { audiencePreview: found } = await ask("Count", { input: { eventId, audience } });
    if (asked !== choices) return;
    const without = found.withoutPhone ? ` ${many(found.withoutPhone, "household")} without a usable phone.` : "";
    counted.textContent = `${many(found.selectedUnits, "household")}, ${many(found.recipients, "phone")}.${without}`;
  }

  let waiting = null;
  all.oninput = ({ target }) => {
    choices += 1;
    checked.replaceChildren(); // what it said is not what would be sent any more
    if (target === picked) describe();
    clearTimeout(waiting);
    waiting = setTimeout(() => guarded(count), COUNTED_AFTER);
  };
  describe();
  await count();
  return [title, all, checked];
}

export async function retryView(runId) {
  const { sendRun: run } = await ask("Run", { run: runId });
  return run ? chooseView(run.event.id, run) : [heading(1, "There is no such send, or you may not see it.")];
}

const tick = (name, value, words, given) =>
  h("label", {}, h("input", { type: "checkbox", name, value, ...given }), words);

const ticked = (all, name) => [...all.querySelectorAll(`[name=${name}]:checked`)].map((each) => each.value);

function whomAnew({ sides, tags }) {
  const families = sides.map(({ side, guestUnits }) => [side, `${SIDES[side]} (${guestUnits})`]);
  const boxes = tags.map(({ name, guestUnits }) => tick("tag", name, `${name} (${guestUnits})`));
  return [
    select("side", "Family", [["", "Both families"], ...families]),
    select("standing", "How they stand", STANDINGS),
    field("search", "Part of a name or phone", { type: "search" }),
    boxes.length > 0 && h("details", {}, h("summary", {}, "Only with these tags"), boxes),
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

function audienceOf(all) {
  const { side, standing, search, twice } = all.elements;
  const tags = ticked(all, "tag");
  const audience = {
    ...(side.value && { side: side.value }),
    ...(standing.value && { coverage: standing.value.split(",") }),
    ...(search.value && { search: search.value }),
    ...(tags.length && { tags }),
  };
  return { audience, includeAlreadyInvited: twice.checked };
}

/** The choice as it can be read out before sending. */
function wordsOf(all) {
  const chosen = [...all.querySelectorAll("[name=side], [name=standing]")].filter((each) => each.value);
  const boxes = [...all.querySelectorAll("fieldset input:checked")].map((each) => each.parentElement.textContent);
  const search = all.elements.search?.value;
  const words = [...chosen.map((each) => each.selectedOptions[0].text), ...boxes, ...(search ? [`“${search}”`] : [])];
  return words.join(", ") || "Everybody on the guest list";
}

/** The field for a gap of the message, already chosen where its name says what; `practice` brings a picture. */
function gapView({ component, name, position, kind, example }, number, practice) {
  const hint = example ? `, for example ${example}` : "";
  if (MEDIA.includes(kind)) {
    const value = practice ? "https://example.org/invite.jpg" : "";
    const label = `Web address of the ${kind.toLowerCase()}`;
    return field(`value${number}`, label, { type: "url", required: true, value });
  }
  if (kind === "URL_SUFFIX") return field(`value${number}`, `End of the button's address${hint}`, { required: true });
  const own = field(`value${number}`, `The same words for everybody${hint}`, { required: true, disabled: true });
  own.hidden = true;
  const sources = [["", "Choose …"], ...Object.entries(SOURCES), ["TEXT", "The same words for everybody"]];
  const label = `Gap “${name ?? position}” of the ${component.toLowerCase()}`;
  const choice = select(`source${number}`, label, sources, { required: true });
  const picked = choice.querySelector("select");
  picked.value = SOURCES[name?.toUpperCase()] ? name.toUpperCase() : "";
  picked.onchange = () => {
    own.hidden = picked.value !== "TEXT";
    own.querySelector("input").disabled = own.hidden;
  };
  return h("div", {}, choice, own);
}

function filling({ component, buttonIndex, name, position, kind }, given, number) {
  const source = MEDIA.includes(kind) ? "MEDIA_URL" : (given[`source${number}`] ?? "TEXT");
  return { component, buttonIndex, name, position, source, value: given[`value${number}`] };
}

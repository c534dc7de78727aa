// One send: how it goes, live; pausing, cancelling, trying again, and its people.
import { authorization, dataOf, fetched } from "../shared/service.js";
import { ask, button, counted, field, fill, form, h, pages, question, reasons, select, told, watch } from "./parts.js";
import { STATES, STATUSES, count, many, roles, when } from "./words.js";

const MINUTE = 60000; // milliseconds
const LIVE = {
  live: "Live: the numbers change by themselves.",
  lost: "The connection is lost. Trying again …",
  over: "No more news comes by itself. Load the page again for later news.",
};

export async function runView(id) {
  const { sendRun: run } = await ask("Run", { run: id });
  if (!run) return h("h1", "There is no such send, or you may not see it.");
  const wedding = run.event.workspace;
  const said = h("span", { role: "status" }); // read out, so nothing stands in it that changes all the time
  const done = h("span");
  const bar = h("progress", { "aria-label": "Handed to WhatsApp" });
  const live = h("p");
  const why = h("div");
  const controls = h("div", { class: "buttons" });
  const numbers = h("div");
  let shown = {};

  function show(progress) {
    const { status, statusReason, nextStep, summary, estimatedCompletionAt: end } = progress;
    const left = status === "RUNNING" && end ? Math.ceil((new Date(end) - Date.now()) / MINUTE) : 0;
    bar.max = Math.max(summary.eligible, 1);
    bar.value = summary.eligible - summary.queued - summary.sending - summary.cancelled;
    const handed = `: ${count(bar.value)} of ${many(summary.eligible, "message")} handed to WhatsApp.`;
    fill(done, handed, left > 0 && ` About ${many(left, "minute")} left.`);
    fill(why, statusReason && h("p", { class: "bad" }, statusReason, " ", nextStep));
    fill(numbers,
      h("table", h("caption", "How the messages stand"), h("tbody", summary.byState.map(stateLine))),
      reasons("Not certain for too long", [summary.overdue].filter(Boolean)),
      reasons("Failed, and why", summary.failures),
      reasons("Held back, and why", summary.rejections),
    );
    const other = status !== shown.status;
    shown = progress;
    if (!other) return; // the same buttons stay, for whoever is about to press one
    said.textContent = STATUSES[status];
    fill(controls, controlsOf(status));
  }

  const act = (operation, answer) => async () => {
    show((await ask(operation, { run: id }))[answer]);
    const first = controls.querySelector("button");
    first?.focus();
    return first;
  };

  const pause = () => button("Pause", act("Pause", "pauseSendRun"));
  const resume = () => button("Go on", act("Resume", "resumeSendRun"));

  function controlsOf(status) {
    const open = ["RUNNING", "PAUSED", "STOPPED"].includes(status);
    const may = wedding.viewerCan.includes("RUN_CONTROL");
    return [
      open && !may && h("p", { class: "note" }, `You can watch. Pausing is for ${roles(wedding.rolesThatSend)}.`),
      open && may && (status === "RUNNING" ? pause() : resume()),
      open && may && button("Cancel the rest", cancel),
      !open && run.kind === "INVITE" && h("a", { href: `#retry=${id}`, class: "button" }, "Try again for some"),
      button("Download as a table (CSV)", () => download(id)),
    ];
  }

  function cancel() {
    const words = `${many(shown.summary.queued, "message")} will not be sent. What is sent stays sent.`;
    question("Cancel the rest?", h("p", words), "Yes, cancel the rest", act("Cancel", "cancelSendRun"));
  }

  show(run);
  watch("Live", { run: id }, ({ sendRunProgress }) => show(sendRunProgress), (state, error) => {
    live.textContent = error ? told(error) : LIVE[state];
  });
  return [
    h("h1", `${run.event.title}: ${run.kind === "TEST" ? "test message" : "invites"}`),
    h("p", `Started by ${run.createdBy.displayName}, ${when(run.createdAt, wedding.timezone)}`),
    h("p", said, done),
    [bar, live, why, controls, numbers],
    peopleView(id, wedding.id),
  ];
}

const stateLine = ({ state, count, operatorText }) =>
  count > 0 && counted(count, h("th", { scope: "row" }, STATES[state]), h("td", operatorText));

function peopleView(run, wedding) {
  const found = h("div");
  const find = async ({ state, search }) => {
    const asked = { run, states: state ? [state] : null, search: search || null };
    const page = async (after) => (await ask("Messages", { ...asked, after })).sendRun?.messages;
    fill(found, await pages(page, (each) => personLine(each, wedding), "Nobody."));
  };
  return h("section",
    h("h2", "The people"),
    form(find,
      select("state", "Which", [["", "All"], ...Object.entries(STATES)]),
      field("search", "Part of a name or phone", { type: "search" }),
      h("button", "Show them"),
    ),
    found,
  );
}

function personLine({ recipientName, state, operatorText, rejection, failure, sources }, wedding) {
  const unit = sources[0]?.guestUnit.id;
  const name = unit ? h("a", { href: `#guest=${unit}&wedding=${wedding}` }, recipientName) : recipientName;
  return [name, ` – ${STATES[state]}: `, (rejection ?? failure)?.operatorText ?? operatorText];
}

/** The token belongs in a header, which a link cannot send: hence the detour. */
async function download(id) {
  const file = await fetched(`/exports/runs/${id}.csv`, { headers: authorization() });
  dataOf(file); // throws where it is an error instead
  const address = URL.createObjectURL(file);
  h("a", { href: address, download: `${id}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), MINUTE);
}

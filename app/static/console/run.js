// One send: how it goes, live; pausing, cancelling, trying again, and its people.
import { authorization, dataOf, fetched } from "../shared/service.js";
import { ask, button, counted, field, form, h, heading, pages } from "./parts.js";
import { question, reasons, select, there, told, watch } from "./parts.js";
import { STATES, STATUSES, count, many, roles, when } from "./words.js";

const SAID_EVERY = 3000; // milliseconds: as fast as it changes nobody could listen
const MINUTE = 60000;
const LIVE = {
  live: "Live: the numbers change by themselves.",
  lost: "The connection is lost. Trying again …",
  over: "No more news comes by itself. Load the page again for later news.",
};

export async function runView(id) {
  const { sendRun: run } = await ask("Run", { run: id });
  if (!run) return [heading(1, "There is no such send, or you may not see it.")];
  const wedding = run.event.workspace;
  const said = h("p", { role: "status" });
  const bar = h("progress", { "aria-label": "Handed to WhatsApp" });
  const live = h("p");
  const why = h("div");
  const controls = h("div", { class: "buttons" });
  const counts = h("tbody");
  const causes = h("div");
  let shown = {};
  let saidAt = 0;
  let saying = null;

  function show(progress) {
    const { status, statusReason, nextStep, summary } = progress;
    const other = status !== shown.status;
    shown = progress;
    bar.max = Math.max(summary.eligible, 1);
    bar.value = summary.eligible - summary.queued - summary.sending - summary.cancelled;
    const states = summary.byState.filter((each) => each.count);
    counts.replaceChildren(...states.map(stateLine));
    why.replaceChildren(...there([statusReason && h("p", { class: "bad" }, statusReason, " ", nextStep)]));
    causes.replaceChildren(
      ...there([
        reasons("Not certain for too long", there([summary.overdue])),
        reasons("Failed, and why", summary.failures),
        reasons("Held back, and why", summary.rejections),
      ]),
    );
    if (other) controls.replaceChildren(...there(controlsOf(status)));
    clearTimeout(saying);
    saying = setTimeout(say, other ? 0 : Math.max(0, saidAt + SAID_EVERY - Date.now()));
  }

  function say() {
    const { status, summary, estimatedCompletionAt: end } = shown;
    saidAt = Date.now();
    const left = status === "RUNNING" && end ? Math.ceil((new Date(end) - saidAt) / MINUTE) : 0;
    const done = `${count(bar.value)} of ${many(summary.eligible, "message")} handed to WhatsApp.`;
    said.textContent = `${STATUSES[status]}: ${done}${left > 0 ? ` About ${many(left, "minute")} left.` : ""}`;
  }

  const act = (operation, answer) => async () => {
    show((await ask(operation, { run: id }))[answer]);
    const first = controls.querySelector("button");
    first?.focus();
    return first;
  };

  function controlsOf(status) {
    const goes = status === "RUNNING";
    const open = goes || status === "PAUSED" || status === "STOPPED";
    const may = wedding.viewerCan.includes("RUN_CONTROL");
    return [
      open && !may && h("p", { class: "note" }, `You can watch. Pausing is for ${roles(wedding.rolesThatSend)}.`),
      open && may && goes && button("Pause", act("Pause", "pauseSendRun")),
      open && may && !goes && button("Go on", act("Resume", "resumeSendRun")),
      open && may && button("Cancel the rest", cancel),
      !open && run.kind === "INVITE" && h("a", { href: `#retry=${id}`, class: "button" }, "Try again for some"),
      button("Download as a table (CSV)", () => download(id)),
    ];
  }

  function cancel() {
    const words = `${many(shown.summary.queued, "message")} will not be sent. What is sent stays sent.`;
    question("Cancel the rest?", h("p", {}, words), "Yes, cancel the rest", act("Cancel", "cancelSendRun"));
  }

  show(run);
  watch("Live", { run: id }, ({ sendRunProgress }) => show(sendRunProgress), (state, error) => {
    live.textContent = error ? told(error) : LIVE[state];
  });
  return [
    heading(1, `${run.event.title}: ${run.kind === "TEST" ? "test message" : "invites"}`),
    h("p", {}, `Started by ${run.createdBy.displayName}, ${when(run.createdAt, wedding.timezone)}`),
    [said, bar, live, why, controls],
    h("table", {}, h("caption", {}, "How the messages stand"), counts),
    causes,
    peopleView(id, wedding.id),
  ];
}

const stateLine = ({ state, count: number, operatorText }) =>
  counted(number, h("th", { scope: "row" }, STATES[state]), h("td", {}, operatorText));

function peopleView(run, wedding) {
  const found = h("div");
  const asking = form(
    async ({ state, search }) => {
      const asked = { run, states: state ? [state] : null, search: search || null };
      const page = async (after) => (await ask("Messages", { ...asked, after })).sendRun?.messages;
      found.replaceChildren(await pages(page, (each) => personLine(each, wedding), "Nobody."));
    },
    select("state", "Which", [["", "All"], ...Object.entries(STATES)]),
    field("search", "Part of a name or phone", { type: "search" }),
    h("button", {}, "Show them"),
  );
  return h("section", {}, h("h2", {}, "The people"), asking, found);
}

function personLine({ recipientName, state, operatorText, rejection, failure, sources }, wedding) {
  const unit = sources[0]?.guestUnit.id;
  const name = unit ? h("a", { href: `#guest=${unit}&wedding=${wedding}` }, recipientName) : recipientName;
  return [name, ` – ${STATES[state]}: `, (rejection ?? failure)?.operatorText ?? operatorText];
}

/** The token belongs in a header, which a link cannot send: hence the detour. */
async function download(id) {
  const read = (answer) => (answer.ok ? answer.blob() : answer.json());
  const file = await fetched(`/exports/runs/${id}.csv`, { headers: authorization() }, read);
  if (!(file instanceof Blob)) dataOf(file);
  const address = URL.createObjectURL(file);
  h("a", { href: address, download: `${id}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), MINUTE);
}

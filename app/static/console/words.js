// The console's own words. What a rejection, failure or state means comes from the service.

export const STATES = {
  REJECTED: "Held back",
  CANCELLED: "Cancelled",
  QUEUED: "Waiting",
  SENDING: "Being sent",
  UNCONFIRMED: "Not certain",
  ACCEPTED: "Taken by WhatsApp",
  SENT: "On the way",
  FAILED: "Failed",
  DELIVERED: "On the phone",
  READ: "Read",
};

export const STATUSES = {
  RUNNING: "Sending",
  PAUSED: "Paused",
  STOPPED: "Stopped",
  CANCELLED: "Cancelled",
  COMPLETED: "Sent",
};

export const ROLES = { OWNER: "Owner", PARENT_ADMIN: "Parent Admin", FAMILY_COORDINATOR: "Family Coordinator" };

export const SIDES = { BRIDE: "Bride's family", GROOM: "Groom's family", NEUTRAL: "Both families, or neither" };

/** What can be done about an error, by its code. */
export const ADVICE = {
  UNAUTHENTICATED: "Ask whoever runs the service for a new link, and open it.",
  FORBIDDEN: "Ask a Parent Admin to do it, or to let you.",
  NOT_FOUND: "It is gone, or it is not of your wedding. Go back to the start.",
  BAD_INPUT: "Correct it, then try again.",
  CONFLICT: "Somebody may have been quicker. Load this page again and look how it stands.",
  TOO_LARGE: "Choose less at a time.",
  RATE_LIMITED: "Wait for a minute, then try again.",
  UNAVAILABLE: "Wait for a few seconds, then try again. Nothing is sent twice.",
  INTERNAL: "Try again. If it stays so, tell whoever runs the service, with the number.",
  NO_ANSWER: "Look at your connection, then try again. Nothing is sent twice.",
};

export const count = (number) => number.toLocaleString("en");

/** `1 invite`, `35 invites`. */
export const many = (number, one) => `${count(number)} ${one}${number === 1 ? "" : "s"}`;

export const roles = (those) => those.map((each) => ROLES[each]).join(" or ");

export function when(moment, timezone) {
  return new Date(moment).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "short", timeZone: timezone });
}

/** When and where an event is. */
export const where = ({ startsAt, venue }, { timezone }) =>
  [when(startsAt, timezone), venue].filter(Boolean).join(" · ");

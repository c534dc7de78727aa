// The gaps of a message's text, and what fills them.

/** Fields of the guest list and of the event, with their words for them. */
export const SOURCES = {
  GUEST_NAME: "The guest's name",
  HOUSEHOLD_NAME: "The household's name",
  EVENT_TITLE: "The event's title",
  EVENT_DATE: "The event's date",
  EVENT_TIME: "The event's time",
  EVENT_VENUE: "The event's venue",
};

/** Of practice: nobody loads it. */
export const PICTURE = "https://example.org/invite.jpg";

/** MEDIA_URL where a gap takes a file, the field that its name says, or TEXT. */
export function sourceOf({ name, kind }) {
  const named = name?.toUpperCase();
  if (named in SOURCES) return named;
  return ["IMAGE", "VIDEO", "DOCUMENT"].includes(kind) ? "MEDIA_URL" : "TEXT";
}

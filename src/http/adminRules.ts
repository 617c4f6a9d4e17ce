/** The bounds of the admin API, as code and documentation both need them. */

export const actorsDefault = 100;
export const actorsMax = 1_000;

/** Events that come with one actor. */
export const recentEvents = 20;

export const eventsDefault = 100;
export const eventsMax = 1_000;

/** Payloads that come with the explanation of a row. */
export const payloadsDefault = 100;
export const payloadsMax = 1_000;

export const quarantineDefault = 100;
export const quarantineMax = 1_000;

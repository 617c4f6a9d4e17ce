/** A problem with the embedded servers that the person who started us can mend. */
export class EmbeddedError extends Error {}

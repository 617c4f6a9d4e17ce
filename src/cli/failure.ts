/**
 * Something to tell the user in one sentence, or nothing when that was said already. Exit code 1,
 * or 2 when the usage is wrong.
 */
export class CliFailure extends Error {
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message);
  }
}

/** The service did not answer, or could not at this time. */
export class NoAnswer extends CliFailure {}

/** Nothing listens where it should be. */
export class NothingListens extends NoAnswer {}

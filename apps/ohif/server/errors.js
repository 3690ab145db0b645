// @ts-check
// Everything that may go wrong between the viewer and the server, told apart by class.

/** What every failed request throws. */
export class ServerError extends Error {
  /**
   * @param {string} message For the reader.
   * @param {{ status?: number, code?: string, cause?: unknown }} [told]
   */
  constructor(message, { status = 0, code = "", cause } = {}) {
    super(message, { cause });
    this.name = new.target.name;
    /** HTTP status; 0 when no answer came. */
    this.status = status;
    /** The server's word for it, such as `stale_revision`. */
    this.code = code;
  }
}

/** 401: nobody is logged in. */
export class LoginNeededError extends ServerError {}

/** 403: the account's role may not do this. */
export class ForbiddenError extends ServerError {}

/** 404. */
export class NotFoundError extends ServerError {}

/** 409: it contradicts what is there, for instance another reader holds the image. */
export class ConflictError extends ServerError {}

/** 409 `stale_revision`: somebody saved under this name meanwhile; both revisions are on the server. */
export class StaleRevisionError extends ConflictError {
  /**
   * @param {string} message
   * @param {{ status?: number, code?: string, kept: any, current: any }} told Revisions as the server tells them;
   *   `current` is null when the reader's earlier one was withdrawn meanwhile.
   */
  constructor(message, told) {
    super(message, told);
    this.kept = told.kept;
    this.current = told.current;
  }
}

/** 429: too much at once; worth another try. */
export class BusyError extends ServerError {}

/** 502, 503, 504: the server, its archive or its models are out of order; worth another try. */
export class UnavailableError extends ServerError {}

/** No answer came: the server or the network is down. */
export class UnreachableError extends ServerError {}

/** No answer came in time. */
export class TimedOutError extends UnreachableError {}

/** The caller took the request back. */
export class WithdrawnError extends ServerError {}

/** An answer that is not what was agreed. */
export class UnreadableError extends ServerError {}

/** @type {Record<number, typeof ServerError>} */
const BY_STATUS = {
  401: LoginNeededError,
  403: ForbiddenError,
  404: NotFoundError,
  409: ConflictError,
  429: BusyError,
  502: UnavailableError,
  503: UnavailableError,
  504: UnavailableError,
};

/**
 * @param {Response} response Of a status that is no success.
 * @returns {Promise<ServerError>}
 */
export async function errorOf(response) {
  const { status } = response;
  const told = await body(response);
  const sentence = typeof told.detail === "string" && told.detail ? told.detail : `the server answered with status ${status}`;
  const code = typeof told.code === "string" ? told.code : "";
  if (status === 409 && code === "stale_revision" && told.kept) {
    return new StaleRevisionError(sentence, { status, code, kept: told.kept, current: told.current ?? null });
  }
  return new (BY_STATUS[status] ?? ServerError)(sentence, { status, code });
}

/**
 * @param {Response} response
 * @returns {Promise<Record<string, any>>} Empty when it is no JSON object, as of a proxy's error page.
 */
async function body(response) {
  try {
    const told = await response.json();
    return told && typeof told === "object" ? told : {};
  } catch {
    return {};
  }
}

/**
 * @param {unknown} error
 * @returns {boolean} True when the same request may well succeed later.
 */
export function isPassing(error) {
  return error instanceof BusyError || error instanceof UnavailableError || error instanceof UnreachableError;
}

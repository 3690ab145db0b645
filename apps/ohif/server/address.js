// @ts-check
// Where the server is. These files lie at <root>/ohif/sonoloop/server/, so the root is three folders up:
// behind a reverse proxy that serves us below a prefix, too.

/** Root of the server, with a slash at its end. */
export const ROOT = new URL("../../../", import.meta.url);

/**
 * @param {URL} root
 * @param {string} path Relative to the root.
 * @param {Record<string, string | number | null | undefined>} [query] Those that are null or undefined are left out.
 * @returns {URL}
 */
export function addressOf(root, path, query = {}) {
  const address = new URL(path, root);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) address.searchParams.set(name, String(value));
  }
  return address;
}

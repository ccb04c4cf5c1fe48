// The addresses of a photograph on the server, by its id.

/** @param {string} id */
export const photoOf = (id) => `/api/photos/${encodeURIComponent(id)}`;

/** @param {string} id */
export const pictureOf = (id) => `${photoOf(id)}/picture`;

/**
 * @param {string} id
 * @param {160 | 320} [size] of its longer side, in pixels
 */
export const thumbnailOf = (id, size = 160) => `${photoOf(id)}/thumbnail?size=${size}`;

/** @param {string} id */
export const attentionOf = (id) => `${photoOf(id)}/look`;

/**
 * @param {string} id
 * @param {string} otherId
 */
export const pairOf = (id, otherId) =>
  `/api/pairs/${encodeURIComponent(id)}/${encodeURIComponent(otherId)}`;

/**
 * The page of its look-alikes.
 * @param {string} id
 */
export const similarPage = (id) => `/similar/${encodeURIComponent(id)}`;

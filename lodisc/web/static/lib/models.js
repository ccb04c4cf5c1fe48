// What the server's JSON holds; the server's own models describe every field.

/**
 * @typedef {object} Photo
 * @property {string} id
 * @property {string} key
 * @property {string} title
 * @property {string | null} label
 * @property {number | null} group
 * @property {string | null} name the label that the features suggest
 * @property {number | null} confidence of the name, 0 to 1
 * @property {number | null} new_kind probability that it is of none of the labelled kinds, 0 to 1
 * @property {boolean} likely_new whether it is more likely so than not
 * @property {Suggestion[]} [suggestions] likeliest first, where they were asked for
 */

/** @typedef {{ label: string, confidence: number }} Suggestion a label that it may have */
/**
 * A photograph that is not in the collection: its name, as in a `Photo`, and its most similar
 * labelled photograph with their cosine. The name is null before it has one.
 * @typedef {object} NewName
 * @property {string} id
 * @property {string | null} name
 * @property {number | null} confidence
 * @property {number | null} new_kind
 * @property {boolean} likely_new
 * @property {Photo | null} look_alike
 * @property {number | null} similarity
 */

/** @typedef {{ total: number, photos: Photo[] }} Photos */
/** @typedef {{ label: string, count: number }} LabelCount */
/** @typedef {{ labels: LabelCount[], undo: string | null, redo: string | null }} Labels */
/** @typedef {{ time: string, text: string, undone: boolean }} HistoryEntry */
/**
 * Shares of 1, of `n` photographs; of these `near_duplicates` are given away by others.
 * @typedef {{ value: number, low: number, high: number, n: number, near_duplicates: number }} Accuracy
 */
/** @typedef {{ confidence: number, count: number }} CountAbove */
/**
 * How many photographs of kinds without a label are expected, and how many are likely so.
 * @typedef {{ expected: number | null, likely: number, reason: string | null }} NewKinds
 */

/**
 * @typedef {object} Names
 * @property {boolean} trained
 * @property {string | null} reason
 * @property {Accuracy | null} accuracy
 * @property {Photo[]} proposals
 * @property {CountAbove[]} above
 * @property {NewKinds} new_kinds
 */

/** @typedef {{ group: number, size: number }} Group */
/** @typedef {{ k: number | null, grouping: string | null, groups: Group[] }} Groups */
/**
 * How the grouping stands that was started last.
 * @typedef {object} GroupingStatus
 * @property {"none" | "running" | "saved" | "cancelled" | "failed"} state
 * @property {number} step the step that runs, from 1; 0 before the first
 * @property {number} steps at most
 * @property {number} seconds
 * @property {string} words
 */

/**
 * Per patch, row by row; `box` is left, top, right, bottom of what the encoder sees, in shares of
 * the picture.
 * @typedef {object} AttentionMap
 * @property {number} rows
 * @property {number} columns
 * @property {number[][]} attention as a share of the largest
 * @property {boolean[][]} pivotal
 * @property {[number, number, number, number]} box
 */

/** @typedef {{ a: AttentionMap, b: AttentionMap, similarity: number[][] }} Pair */

/**
 * Parallel lists; x and y in 0..1.
 * @typedef {object} MapLayout
 * @property {string} method
 * @property {string | null} making
 * @property {string[]} ids
 * @property {number[]} x
 * @property {number[]} y
 * @property {(number | null)[]} group
 * @property {(string | null)[]} label
 * @property {(string | null)[]} folder
 * @property {(number | null)[]} confidence
 */

export {};

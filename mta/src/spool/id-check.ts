/**
 * A 32-bit hash of a message id for the queue index, which has no room for the id itself (FNV-1a over its characters).
 * Together with the sequence it tells another message in the same place with a certainty of 1 in 4 billion; before anything is
 * sent or recorded the whole id is at hand and is compared by the store.
 *
 * Example: `idCheck(reference.id) === queue.idCheck(entry)`
 */
export function idCheck(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

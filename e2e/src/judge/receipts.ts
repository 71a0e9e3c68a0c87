/** What became of the recipients of a blast, counted from what was accepted and what arrived. */
export interface Receipts {
  readonly accepted: number;
  readonly delivered: number;
  /** Refused for good by a sink (5xx): the sender must have bounced them. */
  readonly bounced: number;
  /** Accepted, but neither delivered nor refused: queued if the queue says so, lost otherwise. */
  readonly open: number;
  /** Deliveries beyond the first of a recipient. */
  readonly duplicates: number;
  /** Delivered although the client never read a 250 (it may have been stored before the connection broke). */
  readonly unconfirmed: number;
}

/**
 * @param accepted per recipient number: 1 = its message got a 250
 * @param delivered per recipient number: times delivered
 * @param refused local parts `<run>.<number>` that were refused for good
 */
export function receipts(
  run: string,
  accepted: Uint8Array,
  delivered: Uint8Array,
  refused: ReadonlySet<string>,
): Receipts {
  const count = { accepted: 0, delivered: 0, bounced: 0, open: 0, duplicates: 0, unconfirmed: 0 };
  for (let number = 0; number < Math.max(accepted.length, delivered.length); number++) {
    const times = delivered[number] ?? 0;
    if (times > 1) count.duplicates += times - 1;
    if (accepted[number] !== 1) {
      if (times > 0) count.unconfirmed++;
      continue;
    }
    count.accepted++;
    if (times > 0) count.delivered++;
    else if (refused.has(`${run}.${number}`)) count.bounced++;
    else count.open++;
  }
  return count;
}

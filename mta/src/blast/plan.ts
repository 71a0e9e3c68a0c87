/** A choice with its weight; weights are relative. */
export interface Weighted<T> {
  readonly value: T;
  readonly weight: number;
}

/** What `sluice blast` sends. */
export interface BlastPlan {
  /** Short name of the run, `[a-z0-9]{1,12}`: recipients are `<run>.<number>@<domain>`, so sinks can tell what arrived. */
  readonly run: string;
  readonly messages: number;
  readonly recipientsPerMessage: number;
  readonly domains: readonly Weighted<string>[];
  readonly sizesBytes: readonly Weighted<number>[];
  readonly senders: readonly Weighted<string>[];
  /** Seed of every choice: the same plan sends the same mail. */
  readonly seed: number;
}

export interface PlannedMessage {
  /** Number of its first recipient; the others follow. */
  readonly firstRecipient: number;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly sizeBytes: number;
}

/** Deterministic random numbers in [0, 1): mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The messages of a plan, one after the other. */
export function* plannedMessages(plan: BlastPlan): Generator<PlannedMessage> {
  const random = seededRandom(plan.seed);
  const domain = picker(plan.domains, random);
  const size = picker(plan.sizesBytes, random);
  const sender = picker(plan.senders, random);
  let number = 0;
  for (let message = 0; message < plan.messages; message++) {
    const firstRecipient = number;
    const recipients: string[] = [];
    for (let index = 0; index < plan.recipientsPerMessage; index++)
      recipients.push(`${plan.run}.${number++}@${domain()}`);
    yield { firstRecipient, sender: sender(), recipients, sizeBytes: size() };
  }
}

function picker<T>(choices: readonly Weighted<T>[], random: () => number): () => T {
  const total = choices.reduce((sum, choice) => sum + choice.weight, 0);
  const last = choices.at(-1);
  if (last === undefined) throw new RangeError('a plan needs at least one domain, one size and one sender');
  return () => {
    let point = random() * total;
    for (const choice of choices) {
      point -= choice.weight;
      if (point < 0) return choice.value;
    }
    return last.value;
  };
}

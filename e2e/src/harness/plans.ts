import type { BlastPlan } from '@sluice/mta/blast';

/** A plan of equal messages to one or several domains. */
export function plainPlan(
  run: string,
  messages: number,
  domains: readonly string[],
  sizeBytes = 2048,
): BlastPlan {
  return {
    run,
    messages,
    recipientsPerMessage: 1,
    domains: domains.map((value) => ({ value, weight: 1 })),
    sizesBytes: [{ value: sizeBytes, weight: 1 }],
    senders: [{ value: 'news@shop.example', weight: 1 }],
    seed: 7,
  };
}

import { type AnsweredActivity, ASK_TIMEOUT_MS, askPods } from '../control/mod.ts';
import { openNats } from '../spool/mod.ts';
import { fetchActivity } from './admin-client.ts';
import { askEach, silentPods } from './asked-pods.ts';
import type { Asked } from './nats-flags.ts';
import { type TopState, topState } from './top-state.ts';

/** A pod that hangs delays a look by no more than this, milliseconds; the first one by {@link ASK_TIMEOUT_MS}. */
const LOOK_TIMEOUT_MS = 1_000;

/** Looks at what happens, again and again over one connection. */
export interface TopPoll {
  /** @throws {SluiceError} `SLUICE_PODS_SILENT`, `SLUICE_ADMIN_UNREACHABLE` when nobody answers */
  look(): Promise<TopState>;
  close(): Promise<void>;
}

/** @throws {SluiceError} `SLUICE_NATS_*` */
export async function openTopPoll(asked: Asked, rows: number, intervalMs: number): Promise<TopPoll> {
  let looked = false;
  const timeout = (): number => {
    const first = !looked;
    looked = true;
    return first ? ASK_TIMEOUT_MS : Math.min(intervalMs, LOOK_TIMEOUT_MS);
  };
  if (asked.kind === 'admin') {
    return {
      async look() {
        const withinMs = timeout();
        const { answers, silent } = await askEach(asked.addresses, (address) =>
          fetchActivity(address, rows, withinMs),
        );
        return topState(answers, silent, Date.now());
      },
      close: async () => {},
    };
  }
  const { options, prefix } = asked.place;
  const connection = await openNats(options);
  return {
    async look() {
      const { answers, silent } = await askPods(connection, prefix, { ask: 'Activity', rows }, timeout());
      const found = answers.flatMap(({ pod, activity }): AnsweredActivity[] =>
        pod === undefined || activity === undefined ? [] : [{ pod, activity }],
      );
      const failed = answers.filter(({ activity }) => activity === undefined);
      const missing = [
        ...silent,
        ...failed.map(({ session, failure = 'no answer to this' }) => `${session} (${failure})`),
      ];
      if (found.length === 0)
        throw silentPods(missing.length > 0 ? missing : [`no MTA with the prefix "${prefix}" answers there`]);
      return topState(found, missing, Date.now());
    },
    close: () => connection.close(),
  };
}

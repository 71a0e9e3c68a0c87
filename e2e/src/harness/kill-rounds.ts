import { blast, type PlannedMessage, seededRandom } from '@sluice/mta/blast';
import { plainPlan } from './plans.ts';
import { type SluiceSetup, startSluice } from './sluice-process.ts';

export const MESSAGES_PER_ROUND = 1_500;

export interface KillRounds {
  readonly setup: SluiceSetup;
  readonly kills: number;
  /** Of the moments of the kills. */
  readonly seed: number;
  readonly domain: string;
}

/**
 * Starts a Sluice, hands it mail of the run `k<round>` and kills it with SIGKILL up to half a second after its first 250, again and
 * again: some rounds die at the first messages, some while only the queue is left. `onAccepted` gets every message that got its 250.
 *
 * Example: `await killUnderLoad({ setup, kills: 20, seed: 1, domain: 'a.example' }, (round, message) => …)`
 */
export async function killUnderLoad(
  { setup, kills, seed, domain }: KillRounds,
  onAccepted: (round: number, message: PlannedMessage) => void,
): Promise<void> {
  const random = seededRandom(seed);
  for (let round = 0; round < kills; round++) {
    const sluice = await startSluice(setup);
    const stop = new AbortController();
    const first = Promise.withResolvers<void>();
    const blasting = blast({
      target: sluice.smtp,
      sessions: 20,
      signal: stop.signal,
      plan: plainPlan(`k${round}`, MESSAGES_PER_ROUND, [domain]),
      onAnswer: (message, answer) => {
        if (answer.code !== 250) return;
        onAccepted(round, message);
        first.resolve();
      },
    });
    await first.promise;
    await new Promise((resolve) => setTimeout(resolve, random() * 500));
    await sluice.kill('SIGKILL');
    stop.abort();
    await blasting;
    await sluice.close();
  }
}

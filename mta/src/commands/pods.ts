import type { Command } from 'commander';
import type { PodState } from '../control/mod.ts';
import { ageText } from './age-text.ts';
import { podsOf, silentPods } from './asked-pods.ts';
import { DEFAULT_ADMIN } from './directive-flags.ts';
import { addNatsOptions, type NatsFlags, whomToAsk } from './nats-flags.ts';
import { textTable } from './text-table.ts';

/** Characters of a hash that people compare. */
const HASH_WIDTH = 12;

/** Adds `sluice pods`: who runs. */
export function pods(program: Command): void {
  const command = program
    .command('pods')
    .summary('List the running MTAs')
    .description(
      'Asks running MTAs about themselves: all that share a NATS at once, or those whose admin addresses are given. Who should have answered and did not is named.',
    )
    .option('--admin <address:port...>', `admin addresses of the MTAs to ask (default: ${DEFAULT_ADMIN})`);
  addNatsOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice pods --config sluice.yaml\n  $ sluice pods --nats nats://nats.mail:4222 --json\n  $ sluice pods --admin 10.0.0.1:9025\n',
    )
    .action(async (flags: NatsFlags & { readonly admin?: readonly string[] }, self: Command) => {
      const { json } = self.optsWithGlobals<{ json?: true }>();
      const { pods: found, silent } = await podsOf(whomToAsk(flags));
      self
        .configureOutput()
        .writeOut?.(json ? `${JSON.stringify({ pods: found, silent })}\n` : podsText(found, Date.now()));
      if (silent.length > 0) throw silentPods(silent);
    });
}

function podsText(pods: readonly PodState[], nowMs: number): string {
  const head = [
    'SESSION',
    'HOST',
    'VERSION',
    'STATE',
    'AGE',
    'CONFIG',
    'GROUPS',
    'MESSAGES',
    'SEGMENTS',
    'RENEWED',
    'LIMITS',
  ];
  return textTable([
    head,
    ...pods.map((pod) => [
      pod.session,
      pod.host,
      pod.version,
      pod.troubles.length === 0 ? pod.state : `${pod.state} (${pod.troubles.join(', ')})`,
      ageText(nowMs - Date.parse(pod.startedAt)),
      `${pod.configHash.slice(0, HASH_WIDTH)}${pod.generation === undefined ? '' : ` (${pod.generation})`}`,
      String(pod.groups),
      String(pod.messages),
      pod.segments === undefined ? '-' : String(pod.segments),
      pod.renewalAgeMs === undefined ? '-' : `${ageText(pod.renewalAgeMs)} ago`,
      pod.limits?.mode ?? '-',
    ]),
  ]);
}

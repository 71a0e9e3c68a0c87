/** The metrics of one worker. */
export interface WorkerMetrics {
  readonly worker: number;
  /** Prometheus text format. */
  readonly text: string;
}

/**
 * The metrics of several workers as one text: every sample keeps its value and gets the label `worker`, each family is described once.
 * Nothing is added up: what a sum of gauges means, only who asks knows.
 *
 * Example: `a_total{x="y"} 3` of worker 2 → `a_total{worker="2",x="y"} 3`
 */
export function mergedMetrics(workers: readonly WorkerMetrics[]): string {
  const families = new Map<string, Family>();
  for (const { worker, text } of workers) {
    let family: Family | undefined;
    for (const line of text.split('\n')) {
      const [, name] = /^# (?:HELP|TYPE) (\S+)/.exec(line) ?? [];
      if (name !== undefined) {
        family = families.get(name) ?? { describedBy: worker, head: [], samples: [] };
        families.set(name, family);
        if (family.describedBy === worker) family.head.push(line);
      } else if (line !== '' && !line.startsWith('#')) {
        family?.samples.push(withLabel(line, worker));
      }
    }
  }
  const lines = [...families.values()].flatMap(({ head, samples }) => [...head, ...samples]);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

interface Family {
  /** The worker that named it first. */
  readonly describedBy: number;
  readonly head: string[];
  readonly samples: string[];
}

function withLabel(sample: string, worker: number): string {
  const label = `worker="${worker}"`;
  const end = sample.search(/[{ ]/);
  if (sample[end] === ' ') return `${sample.slice(0, end)}{${label}}${sample.slice(end)}`;
  const comma = sample[end + 1] === '}' ? '' : ',';
  return `${sample.slice(0, end + 1)}${label}${comma}${sample.slice(end + 1)}`;
}

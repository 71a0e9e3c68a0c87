import type { Layout } from './layout.ts';

/** Subjects for the permissions of a NATS user. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * The least that a pod's NATS user needs. `makeStreams`: with the right to make the streams when they are missing; without it
 * somebody else makes them (docs/reference/nats.md), and the pod only checks.
 *
 * Example: `podPermissions(new Layout({ prefix: 'sluice', spoolStreams: 4 }), true).subscribe` → `['sluice.inbox.>', 'sluice.ask', 'sluice.answer.>']`
 */
export function podPermissions(layout: Layout, makeStreams: boolean): Permissions {
  const publish = [
    ...layout.spoolStreamNames.map((_, index) => layout.spoolSubjects(index)),
    layout.journalSubjects,
    layout.deferSubjects,
    '$JS.API.INFO',
  ];
  publish.push(layout.sessionSubjects);
  for (const stream of [...layout.streamNames, layout.sessionStream]) {
    publish.push(`$JS.API.STREAM.INFO.${stream}`);
    // Whoever lost the bucket of sessions lost no mail: any pod makes it again.
    if (makeStreams || stream === layout.sessionStream) publish.push(`$JS.API.STREAM.CREATE.${stream}`);
    publish.push(
      `$JS.API.STREAM.MSG.GET.${stream}`,
      `$JS.API.STREAM.PURGE.${stream}`,
      `$JS.API.DIRECT.GET.${stream}`,
      `$JS.API.DIRECT.GET.${stream}.>`,
      // CREATE, DELETE, and INFO, which is asked when a request got no answer: without it a consumer that a cluster lost would be waited for
      // without end. One subject, because a JWT with all of them is long.
      `$JS.API.CONSUMER.*.${stream}.>`,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
    );
  }
  // Questions to all pods and their answers; `sluice pods` in a pod asks as the pod's user.
  const questions = [`${layout.prefix}.ask`, `${layout.prefix}.answer.>`];
  publish.push(...questions);
  const { limitsBucket, directivesBucket, limitSubjects } = layout;
  publish.push(limitSubjects);
  for (const bucket of [limitsBucket, directivesBucket]) {
    const stream = `KV_${bucket}`;
    publish.push(
      `$KV.${bucket}.>`,
      `$JS.API.STREAM.INFO.${stream}`,
      ...(makeStreams ? [`$JS.API.STREAM.CREATE.${stream}`] : []),
      `$JS.API.DIRECT.GET.${stream}.>`,
      `$JS.API.CONSUMER.CREATE.${stream}`,
      `$JS.API.CONSUMER.*.${stream}.>`,
      `$JS.FC.${stream}.>`,
    );
  }
  return { publish, subscribe: [`${layout.inboxPrefix}.>`, ...questions, limitSubjects] };
}

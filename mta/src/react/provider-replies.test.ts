import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compile, effectivePolicy, parseResources } from '@sluice/crds';
import { parse } from 'yaml';
import { z } from 'zod';
import { compileReactions, type JudgedReply } from './reaction-matcher.ts';

const LIBRARY = new URL('../../../crds/providers/', import.meta.url);
const REPLIES = new URL('testdata/replies.yaml', import.meta.url);

const { config } = compile({
  resources: readdirSync(LIBRARY).flatMap(
    (file) => parseResources(readFileSync(new URL(file, LIBRARY), 'utf8'), file).resources,
  ),
});

const PROVIDERS = z
  .array(
    z.strictObject({
      provider: z.string(),
      domain: z.string(),
      hosts: z.array(z.string()),
      replies: z.array(
        z.strictObject({
          reply: z.string(),
          phase: z.string().default('FinalDot'),
          source: z.string().min(1),
          hits: z.array(z.string()),
        }),
      ),
    }),
  )
  .parse(parse(readFileSync(REPLIES, 'utf8')))
  .map(({ replies, ...provider }) => ({
    ...provider,
    replies: replies.map((line) => ({ ...line, judged: judgedReply(line.reply, line.phase) })),
    matcher: matcherFor(provider.domain, provider.hosts),
  }));

function matcherFor(domain: string, hosts: readonly string[]) {
  const { matcher, problems } = compileReactions(effectivePolicy(config, 'any', domain, hosts).reactions);
  assert.deepEqual(problems, []);
  return matcher;
}

function judgedReply(reply: string, phase: string): JudgedReply {
  const [, code = '', enhanced = '', text = ''] =
    /^([0-9]{3}) (?:([245]\.[0-9]+\.[0-9]+) )?(.*)$/.exec(reply) ?? [];
  assert.ok(text !== '', reply);
  return { code: Number(code), enhanced, text, phase };
}

for (const { provider, replies, matcher } of PROVIDERS) {
  test(`${provider}: what it really replies sets off the reaction that is meant, and no other`, () => {
    for (const { reply, judged, hits } of replies) {
      const names = matcher.match(judged).map(({ name }) => name);
      assert.deepEqual(names, hits, reply);
    }
  });

  test(`${provider}: its reactions do not answer to what another provider says`, () => {
    const others = PROVIDERS.filter((other) => other.provider !== provider);
    assert.ok(others.length > 5);
    for (const { judged, reply } of others.flatMap((other) => other.replies))
      assert.deepEqual(
        matcher.match(judged).map(({ name }) => name),
        [],
        reply,
      );
  });
}

test('no reaction of the library is there without a real reply that sets it off', () => {
  const tried = new Set(
    PROVIDERS.flatMap(({ provider, replies }) =>
      replies.flatMap(({ hits }) => hits.map((hit) => `${provider} ${hit}`)),
    ),
  );
  const shipped = config.policies.flatMap(({ destinations }) =>
    destinations.flatMap(({ name, reactions = [] }) =>
      reactions.map((reaction) => `${name} ${reaction.name}`),
    ),
  );
  assert.ok(shipped.length >= 15, `${shipped.length} reactions`);
  assert.deepEqual(shipped.toSorted(), [...tried].toSorted());
});
